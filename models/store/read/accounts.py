"""Accounts and their entries, for a person who looks: a page at a time through the indexes there are, newest first.

A page after another starts where the last one ended (its last id or number), so that a page costs the same
however far back it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import Account, AccountKey, Kind
from models.domain.deciding.commands import TelegramUser
from models.domain.ledger import Entry
from models.store.write import accounts, entries

Row = Mapping[str, Any]

_ENTRIES: Final = text(f"""
    select {entries.COLUMNS} from entries e join accounts a on a.id = e.account_id
    where e.account_id = :account_id and (cast(:before as bigint) is null or e.seq < :before)
    order by e.seq desc limit :limit
""")  # noqa: S608 - our own column list
_GRANTS_MADE: Final = text(f"""
    select {entries.COLUMNS} from entries e join accounts a on a.id = e.account_id
    where e.account_id = :account_id and e.grant_id is not null and e.kind = 'credit'
""")  # noqa: S608 - as above
_REVERSALS: Final = text("""
    select seq, job_id, created_at, amount from entries where account_id = :account_id and reverses = :seq order by seq
""")
_ENTRY: Final = text(
    "select seq, job_id, created_at, amount from entries where account_id = :account_id and seq = :seq"
)
_ACCOUNT: Final = "select {columns} from accounts a {where}"
_COLUMNS: Final = ", ".join(f"a.{name}" for name in accounts.COLUMNS.split(", "))


def entries_of_job(connection: Connection, job_id: UUID) -> tuple[Entry, ...]:
    """The entries that a job wrote: none, one, or two with a bonus."""
    found = entries.of_jobs(connection, [job_id]).get(job_id)
    return () if found is None else found.entries


def reversals_of(connection: Connection, entry: Entry) -> list[Row]:
    """seq, job_id, created_at and amount of the entries that took this one back, or parts of it."""
    return fetch(connection, _REVERSALS, {"account_id": entry.account_id, "seq": entry.seq})


def reversed_by(connection: Connection, entry: Entry) -> Row | None:
    """seq, job_id, created_at and amount of the entry that this one takes back."""
    return _first(connection, _ENTRY, {"account_id": entry.account_id, "seq": entry.details.reverses})


def account(connection: Connection, target: AccountKey | TelegramUser) -> Account | None:
    """An account with its profile, open grants and holds, without a lock: what it was a moment ago."""
    parameters: dict[str, Any]
    if isinstance(target, AccountKey):
        where, parameters = "where a.kind = :kind and a.ref = :ref", {"kind": target.kind.value, "ref": target.ref}
    else:
        where = "join users u on u.account_id = a.id where u.telegram_id = :telegram_id"
        parameters = {"telegram_id": target.telegram_id}
    found = connection.execute(text(_ACCOUNT.format(columns=_COLUMNS, where=where)), parameters).all()
    return next(iter(accounts.read(connection, found)), None)


def account_list(
    connection: Connection, kind: Kind | None, limit: int, after: AccountKey | None = None
) -> list[Account]:
    """Up to `limit` accounts in the order of their names, from after the account `after`."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {"limit": limit, "kind": kind and kind.value}
    if kind is not None:
        conditions.append("a.kind = :kind")
    if after is not None:
        conditions.append("(a.kind, a.ref) > (:after_kind, :after_ref)")
        parameters |= {"after_kind": after.kind.value, "after_ref": after.ref}
    where = f"{_where(conditions)} order by a.kind, a.ref limit :limit"
    return accounts.read(
        connection, connection.execute(text(_ACCOUNT.format(columns=_COLUMNS, where=where)), parameters).all()
    )


def entries_of(connection: Connection, account_id: int, limit: int, before: int | None = None) -> list[Entry]:
    """Up to `limit` entries of an account, the newest first, from before entry number `before`."""
    parameters = {"account_id": account_id, "limit": limit, "before": before}
    return [entries.from_row(row) for row in fetch(connection, _ENTRIES, parameters)]


def grants_made(connection: Connection, account_id: int) -> dict[UUID, Entry]:
    """The entry that made each grant that there ever was in an account, by the grant."""
    made = [entries.from_row(row) for row in fetch(connection, _GRANTS_MADE, {"account_id": account_id})]
    return {entry.details.grant_id: entry for entry in made if entry.details.grant_id is not None}


def now(connection: Connection) -> datetime:
    """The database's time: the one that decides what has expired."""
    found: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
    return found


def entries_estimate(connection: Connection) -> int | None:
    """About how many entries there are, as the planner knows it; None when it does not."""
    estimate = text("select cast(reltuples as bigint) from pg_class where oid = to_regclass('entries')")
    count = connection.execute(estimate).scalar()
    return count if count and count > 0 else None


def _where(conditions: list[str]) -> str:
    return f"where {' and '.join(conditions)}" if conditions else ""


def fetch(connection: Connection, statement: Any, parameters: Mapping[str, Any]) -> list[Row]:
    """The rows of a statement."""
    prepared = text(statement) if isinstance(statement, str) else statement
    return [dict(row) for row in connection.execute(prepared, dict(parameters)).mappings()]


def _first(connection: Connection, statement: Any, parameters: Mapping[str, Any]) -> Row | None:
    return next(iter(fetch(connection, statement, parameters)), None)
