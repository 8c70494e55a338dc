"""Charges, for whoever looks: what was asked for and what became of it, and how charging as a whole stands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import AccountKey, Kind
from models.domain.charging.charges import OPEN, Charge, ChargeStatus
from models.store.read.accounts import now
from models.store.read.page import Page, Searched
from models.store.write.top_ups import charges, switches
from models.store.write.top_ups.switches import Switch

_CHARGES: Final = f"""
    select {charges.COLUMNS}, a.kind, a.ref, a.scale, c.attempts, c.ask_at, c.answer
    from charges c join accounts a on a.id = c.account_id {{where}} order by c.created_at desc, c.id desc limit :limit
"""  # noqa: S608 - our own column list
# A charge has the id of the job that decided it: ids sort by time.
_AMONG: Final = f"""
    select {charges.COLUMNS}, a.kind, a.ref, a.scale, c.attempts, c.ask_at, c.answer
    from (select * from (select * from charges {{before}} order by id desc limit :most) as c
          where status = any(:statuses) order by id desc limit :limit) as c
    join accounts a on a.id = c.account_id order by c.id desc
"""  # noqa: S608 - our own column list
_LAST_OF: Final = "select id from charges {before} order by id desc offset :most - 1 limit 1"
_WAITING: Final = text("""
    select count(*) filter (where ask_at is not null) as waiting,
           count(*) filter (where ask_at is not null and created_at <= :long_ago) as long_waiting,
           min(created_at) filter (where ask_at is not null) as oldest,
           count(*) filter (where status = 'pending' and ask_at is null) as unknown,
           count(*) filter (where status = 'needs_action') as for_payers
    from charges where status in ('pending', 'needs_action')
""")
_DUE: Final = text("""
    select count(*) as due, count(*) filter (where due_at <= :long_ago) as overdue, min(due_at) as oldest
    from policies where due_at <= :at
""")


@dataclass(frozen=True, slots=True)
class ChargeShown:
    """A charge with its account, and how the asking goes."""

    charge: Charge
    account: AccountKey
    scale: int
    attempts: int
    ask_at: datetime | None
    answer: str | None

    @property
    def undecided(self) -> bool:
        """Whether nobody knows what became of it, and nobody is asked any more."""
        return self.charge.status is ChargeStatus.PENDING and self.ask_at is None


@dataclass(frozen=True, slots=True)
class ChargingNow:
    """What waits, of all accounts."""

    at: datetime
    switch: Switch | None  # None: nobody has ever set it, and it is on
    waiting: int  # charges that providers are to be asked for, now or again
    long_waiting: int  # of these, those that were made long ago
    waiting_since: datetime | None
    unknown: int  # charges that an operator has to decide
    for_payers: int  # charges that their payers have to confirm
    due: int  # policies that are to be looked at
    overdue: int  # of these, those that were to be looked at long ago
    due_since: datetime | None

    @property
    def paused(self) -> bool:
        return self.switch is not None and not self.switch.is_on


def charge_list(
    connection: Connection,
    limit: int,
    *,
    account_id: int | None = None,
    statuses: Collection[ChargeStatus] = (),
    after: UUID | None = None,
) -> Page[ChargeShown]:
    """Up to `limit` charges, the newest first, from after the charge `after`."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {"limit": limit + 1}
    if account_id is not None:
        conditions.append("c.account_id = :account_id")
        parameters["account_id"] = account_id
    if statuses:
        conditions.append("c.status = any(:statuses)")
        parameters["statuses"] = [status.value for status in statuses]
    if after is not None:
        conditions.append("(c.created_at, c.id) < (select created_at, id from charges where id = :after)")
        parameters["after"] = after
    where = f"where {' and '.join(conditions)}" if conditions else ""
    rows = connection.execute(text(_CHARGES.format(where=where)), parameters)
    return Page.of([_shown(row) for row in rows], limit)


def search(
    connection: Connection, statuses: Collection[ChargeStatus], limit: int, most: int, before: UUID | None = None
) -> Searched[ChargeShown]:
    """Charges of these statuses, the newest first, from before the charge `before`; it looks at no more than `most`."""
    earlier = "" if before is None else "where id < :before"
    given = {"before": before, "most": most, "statuses": [status.value for status in statuses], "limit": limit + 1}
    rows = connection.execute(text(_AMONG.format(before=earlier)), given)
    page = Page.of([_shown(row) for row in rows], limit)
    if page.last is not None:
        return Searched(page.rows, page.last.charge.id, gave_up=False)
    further = connection.execute(text(_LAST_OF.format(before=earlier)), {"before": before, "most": most}).scalar()
    return Searched(page.rows, further, gave_up=further is not None)


def charge(connection: Connection, charge_id: UUID) -> ChargeShown | None:
    row = connection.execute(text(_CHARGES.format(where="where c.id = :id")), {"id": charge_id, "limit": 1}).first()
    return None if row is None else _shown(row)


def charge_credited_by(connection: Connection, job_id: UUID) -> ChargeShown | None:
    """The charge whose money this job credited."""
    where = _CHARGES.format(where="where c.credited_by = :job_id")
    row = connection.execute(text(where), {"job_id": job_id, "limit": 1}).first()
    return None if row is None else _shown(row)


def open_charges(connection: Connection, account_ids: Collection[int]) -> dict[int, ChargeShown]:
    """The open charge of each of these accounts that has one, by account id."""
    where = "where c.account_id = any(cast(:ids as bigint[])) and c.status = any(:open)"
    parameters = {"ids": list(account_ids), "open": [status.value for status in OPEN], "limit": len(account_ids)}
    found = map(_shown, connection.execute(text(_CHARGES.format(where=where)), parameters))
    return {each.charge.account_id: each for each in found}


def charging_now(connection: Connection, *, waits_long: timedelta, due_long: timedelta) -> ChargingNow:
    """How charging stands. What is open is few: there is an index of it."""
    at = now(connection)
    waiting = connection.execute(_WAITING, {"long_ago": at - waits_long}).one()
    due = connection.execute(_DUE, {"at": at, "long_ago": at - due_long}).one()
    return ChargingNow(
        at=at,
        switch=switches.read(connection, switches.CHARGING),
        waiting=waiting.waiting,
        long_waiting=waiting.long_waiting,
        waiting_since=waiting.oldest,
        unknown=waiting.unknown,
        for_payers=waiting.for_payers,
        due=due.due,
        overdue=due.overdue,
        due_since=due.oldest,
    )


def _shown(row: Any) -> ChargeShown:
    found = charges.from_row(row)
    return ChargeShown(found, AccountKey(Kind(row.kind), row.ref), row.scale, row.attempts, row.ask_at, row.answer)
