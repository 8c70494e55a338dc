"""Charges: made and settled by the path, and between the two claimed by whoever asks the provider."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain import money
from models.domain.auto_topup.calendar import Month
from models.domain.charging.charges import COUNTED, OPEN, Charge, ChargeStatus
from models.domain.value import enums
from models.store.write import rows
from models.tables import top_ups as tables
from models.tables.base import fixed

_STORED: Final = [field.name for field in fields(Charge) if field.name != "asked"]
COLUMNS: Final = ", ".join(f"c.{name}" for name in _STORED) + ", c.attempts > 0 as asked"
_FIELDS: Final = [*_STORED, "asked"]
_ENUMS: Final = enums(Charge)
_FIXED: Final = fixed(tables.Charge) | {"attempts"}
_WHOSE: Final = text("select id, account_id, credited_by from charges where id = any(cast(:ids as uuid[]))")
# Locked, so that nobody begins to ask for what is given up at this moment. Those who ask lock nothing else.
_LOCK: Final = text(f"""
    select {COLUMNS} from charges c
    where c.id = any(cast(:ids as uuid[])) or (c.account_id = any(cast(:open_of as bigint[])) and c.status = any(:open))
    order by c.id for update
""")  # noqa: S608 - our own column list
_EVERY: Final = text(f"""
    select {COLUMNS} from charges c where c.account_id between :first and :last order by c.account_id, c.id
""")  # noqa: S608 - as above
_COUNTED: Final = text("""
    select c.account_id, wanted.since, cast(least(sum(c.units), :most) as bigint) as units
    from unnest(cast(:ids as bigint[]), cast(:since as timestamptz[]), cast(:until as timestamptz[]))
        as wanted (account_id, since, until)
    join charges c on c.account_id = wanted.account_id and c.created_at >= wanted.since and c.created_at < wanted.until
    where c.status = any(:counted)
    group by c.account_id, wanted.since
""")


def whose(connection: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[int, UUID | None]]:
    """The account of each of these charges, which never changes, and the job that has credited it by now."""
    found = connection.execute(_WHOSE, {"ids": list(ids)})
    return {row.id: (row.account_id, row.credited_by) for row in found}


def lock(connection: Connection, ids: Iterable[UUID], open_of: Iterable[int]) -> dict[UUID, Charge]:
    """These charges and the open ones of these accounts, locked. The accounts are locked before."""
    parameters = {"ids": list(ids), "open_of": list(open_of), "open": [status.value for status in OPEN]}
    return {charge.id: charge for charge in map(from_row, connection.execute(_LOCK, parameters))}


def stream(connection: Connection, first: int = rows.LOWEST, last: int = rows.HIGHEST) -> Iterator[Charge]:
    """The charges of accounts with ids from `first` to `last`, by account."""
    for row in connection.execute(_EVERY, {"first": first, "last": last}, execution_options=rows.STREAMED):
        yield from_row(row)


def counted(connection: Connection, months: Mapping[int, Collection[Month]]) -> dict[int, dict[datetime, int]]:
    """Units that count towards the caps of these accounts, by account id and the first moment of the month."""
    spans = [(account_id, *month) for account_id, each in months.items() for month in each]
    parameters = {
        "ids": [account_id for account_id, _, _ in spans],
        "since": [since for _, since, _ in spans],
        "until": [until for _, _, until in spans],
        "counted": [status.value for status in COUNTED],
        "most": money.UNITS_MAX,  # more than that is in a month of large charges that nobody had bounded
    }
    found: dict[int, dict[datetime, int]] = {account_id: {} for account_id in months}
    for account_id, since, _ in spans:
        found[account_id][since] = 0
    for row in connection.execute(_COUNTED, parameters):
        found[row.account_id][row.since] = row.units
    return found


def save(connection: Connection, changed: Sequence[Charge], now: datetime) -> None:
    """Writes charges, new or settled. What is to be asked for is asked for from now on; what is settled no more."""
    rows.upsert(
        connection,
        tables.Charge,
        "id",
        rows.by_column(
            [
                {
                    **rows.values(charge, _STORED),
                    "attempts": 0,
                    "ask_at": now if charge.status is ChargeStatus.PENDING else None,
                    "answer": None,
                }
                for charge in changed
            ]
        ),
        _FIXED,
    )


def from_row(row: Any) -> Charge:
    """The charge of a row that begins with COLUMNS."""
    named = dict(zip(_FIELDS, row[: len(_FIELDS)], strict=True))
    return Charge(**{**named, **{name: enum(named[name]) for name, enum in _ENUMS.items()}})
