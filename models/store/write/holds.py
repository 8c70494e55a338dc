"""Holds: the open ones of an account, and those that have run out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import AccountKey, Kind
from models.domain.credits.holds import Hold, HoldEnd
from models.store.write import rows
from models.tables import ledger as tables

_FIELDS: Final = [field.name for field in fields(Hold)]
_COLUMNS: Final = ", ".join(_FIELDS)
_FIXED: Final = frozenset({"account_id", "amount", "expires_at", "created_at"})
_LOAD: Final = text(f"""
    select account_id, {_COLUMNS} from holds
    where account_id = any(cast(:account_ids as bigint[])) and remaining > 0
    union all
    select account_id, {_COLUMNS} from holds
    where id = any(cast(:ids as uuid[])) and not (account_id = any(cast(:account_ids as bigint[])) and remaining > 0)
""")  # noqa: S608 - our own column list
_OF_ACCOUNT: Final = text(f"""
    select account_id, {_COLUMNS} from holds where account_id = :account_id order by created_at, id
""")  # noqa: S608 - as above
_EVERY: Final = text(f"""
    select a.id, a.kind, a.ref, {", ".join(f"h.{name}" for name in _FIELDS)}
    from holds h join accounts a on a.id = h.account_id
    where h.account_id >= :first and mod(mod(h.account_id >> :bits, :count) + :count, :count) = :number
    order by a.id, h.created_at, h.id
""")  # noqa: S608 - as above
_EXPIRED: Final = text("""
    select h.id, a.kind, a.ref from holds h join accounts a on a.id = h.account_id
    where h.remaining > 0 and h.expires_at <= clock_timestamp()
    order by h.expires_at limit :limit
""")


def load(connection: Connection, account_ids: Iterable[int], ids: Iterable[UUID] = ()) -> dict[int, list[Hold]]:
    """The open holds of these accounts, and the holds named by id, open or not; by account id."""
    found: dict[int, list[Hold]] = {}
    parameters = {"account_ids": list(account_ids), "ids": list(ids)}
    for account_id, *values in connection.execute(_LOAD, parameters).all():
        found.setdefault(account_id, []).append(_hold(values))
    return found


def of_account(connection: Connection, account_id: int) -> list[Hold]:
    """Every hold that there ever was in an account, the oldest first."""
    return [_hold(values) for _, *values in connection.execute(_OF_ACCOUNT, {"account_id": account_id}).all()]


def every(connection: Connection, among: rows.Among = rows.ALL) -> Iterator[tuple[int, AccountKey, Hold]]:
    """Every hold that there ever was, by account: (account id, account, hold)."""
    for account_id, kind, ref, *values in connection.execute(
        _EVERY, rows.values(among, rows.AMONG), execution_options=rows.STREAMED
    ):
        yield account_id, AccountKey(Kind(kind), ref), _hold(values)


def expired(connection: Connection, limit: int) -> list[tuple[AccountKey, UUID]]:
    """Up to `limit` holds that have run out and still reserve credits, the first ones first."""
    found = connection.execute(_EXPIRED, {"limit": limit})
    return [(AccountKey(Kind(row.kind), row.ref), row.id) for row in found]


def save(connection: Connection, changed: Sequence[tuple[int, Hold]]) -> None:
    """Writes holds, new or changed: (account id, hold)."""
    rows.upsert(
        connection,
        tables.Hold,
        "id",
        rows.by_column([{"account_id": account_id, **rows.values(hold, _FIELDS)} for account_id, hold in changed]),
        _FIXED,
    )


def _hold(values: Sequence[Any]) -> Hold:
    named = dict(zip(_FIELDS, values, strict=True))
    backing = tuple((UUID(grant_id), units) for grant_id, units in named["backing"])
    ended = None if named["ended"] is None else HoldEnd(named["ended"])
    return Hold(**{**named, "backing": backing, "ended": ended})
