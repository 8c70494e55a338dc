"""What has happened, for a person who looks: read a page at a time through the indexes there are, newest first.

A page after another starts where the last one ended (its last id or number), so that a page costs the same
however far back it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import Account, AccountKey, Kind
from models.domain.commands import TelegramUser
from models.domain.ledger import Entry
from models.store import accounts, entries, grants

Row = Mapping[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_JOB: Final = """
    select j.id, j.settled_at, j.name, j.producer, j.idempotency_key, j.status, j.code,
           a.kind, a.ref, a.unit, a.scale, e.seq, e.amount, e.balance_after
    from ({chosen}) as j
    left join entries e on e.job_id = j.id
    left join accounts a on a.id = coalesce(j.account_id, e.account_id)
    order by {order}
"""
_BODY: Final = """
    select j.id, cast(j.body as text) as body, cast(j.outcome as text) as outcome from jobs j where j.id = :id
"""
_ENTRIES: Final = text(f"""
    select {entries.COLUMNS} from entries e join accounts a on a.id = e.account_id
    where e.account_id = :account_id and (cast(:before as bigint) is null or e.seq < :before)
    order by e.seq desc limit :limit
""")  # noqa: S608 - our own column list
_REVERSAL: Final = text("""
    select seq, job_id, created_at from entries where account_id = :account_id and reverses = :seq
""")
_ENTRY: Final = text("select seq, job_id, created_at from entries where account_id = :account_id and seq = :seq")
_ACCOUNTS: Final = """
    select a.id, a.kind, a.ref, a.unit, a.scale, a.balance, a.seq, a.updated_at, coalesce(u.status, w.status) as status
    from ({chosen}) as a
    left join users u on u.account_id = a.id
    left join wallets w on w.account_id = a.id
    order by a.kind, a.ref
"""
_ACCOUNT: Final = """
    select a.id, a.kind, a.ref, a.unit, a.scale, a.balance, a.seq, a.floor, a.head, a.set_at, a.created_at, a.updated_at
    from accounts a {where}
"""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; None: any."""

    account_id: int | None = None
    producer: str | None = None
    name: str | None = None
    status: str | None = None
    code: str | None = None
    since: datetime | timedelta | None = None  # a time, or how long ago


def jobs(connection: Connection, wanted: JobFilter, limit: int, before: UUID | None = None) -> list[Row]:
    """Up to `limit` settled jobs, the newest first, from before the job `before`.

    Job ids sort by time, so the primary key serves as the index by time; an account's jobs have an index of their own.
    The other conditions filter what those two find: bound a search for something rare by `since`.
    """
    conditions: list[str] = []
    parameters: dict[str, Any] = {"limit": limit, "before": before, "account_id": wanted.account_id}
    for column in ("producer", "name", "status", "code"):
        if (value := getattr(wanted, column)) is not None:
            conditions.append(f"{column} = :{column}")
            parameters[column] = value
    since = _time(connection, wanted.since)
    if wanted.account_id is None:
        order = "id desc"
        if since is not None:
            conditions.append("id >= :since")
            parameters["since"] = _first_id(since)
        if before is not None:
            conditions.append("id < :before")
    else:
        order = "settled_at desc, id desc"
        conditions.append("account_id = :account_id")
        if since is not None:
            conditions.append("settled_at >= :since")
            parameters["since"] = since
        if before is not None:
            conditions.append("(settled_at, id) < (select b.settled_at, b.id from jobs b where b.id = :before)")
    chosen = f"select * from jobs {_where(conditions)} order by {order} limit :limit"  # noqa: S608 - our own words
    return _all(connection, _JOB.format(chosen=chosen, order=order), parameters)


def job(connection: Connection, job_id: UUID) -> Row | None:
    """One settled job."""
    return _job(connection, "id = :id", {"id": job_id})


def job_under(connection: Connection, producer: str, key: str) -> Row | None:
    """The job that was settled under this producer's key."""
    return _job(connection, "producer = :producer and idempotency_key = :key", {"producer": producer, "key": key})


def _job(connection: Connection, condition: str, parameters: Mapping[str, Any]) -> Row | None:
    chosen = f"select * from jobs where {condition}"  # noqa: S608 - our own words
    found = _all(connection, _JOB.format(chosen=chosen, order="j.id"), parameters)
    if not found:
        return None
    return {**found[0], **_all(connection, _BODY, {"id": found[0]["id"]})[0]}


def entry_of(connection: Connection, job_id: UUID) -> Entry | None:
    """The entry that a job wrote."""
    return entries.of_jobs(connection, [job_id]).get(job_id)


def reversal_of(connection: Connection, entry: Entry) -> Row | None:
    """seq, job_id and created_at of the entry that took this one back."""
    return _first(connection, _REVERSAL, {"account_id": entry.account_id, "seq": entry.seq})


def reversed_by(connection: Connection, entry: Entry) -> Row | None:
    """seq, job_id and created_at of the entry that this one takes back."""
    return _first(connection, _ENTRY, {"account_id": entry.account_id, "seq": entry.note.reverses})


def account(connection: Connection, target: AccountKey | TelegramUser) -> Account | None:
    """An account with its face and its open grants, without a lock: what it was a moment ago."""
    parameters: dict[str, Any]
    if isinstance(target, AccountKey):
        where, parameters = "where a.kind = :kind and a.ref = :ref", {"kind": target.kind.value, "ref": target.ref}
    else:
        where = "join users u on u.account_id = a.id where u.telegram_id = :telegram_id"
        parameters = {"telegram_id": target.telegram_id}
    found = connection.execute(text(_ACCOUNT.format(where=where)), parameters).all()
    held = grants.load(connection, [row.id for row in found])
    return next(iter(accounts.read(connection, found, held)), None)


def account_list(connection: Connection, kind: Kind | None, limit: int, after: AccountKey | None = None) -> list[Row]:
    """Up to `limit` accounts in the order of their names, from after the account `after`."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {"limit": limit, "kind": kind and kind.value}
    if kind is not None:
        conditions.append("kind = :kind")
    if after is not None:
        conditions.append("(kind, ref) > (:after_kind, :after_ref)")
        parameters |= {"after_kind": after.kind.value, "after_ref": after.ref}
    chosen = f"select * from accounts {_where(conditions)} order by kind, ref limit :limit"  # noqa: S608 - our own words
    return _all(connection, _ACCOUNTS.format(chosen=chosen), parameters)


def entries_of(connection: Connection, account_id: int, limit: int, before: int | None = None) -> list[Entry]:
    """Up to `limit` entries of an account, the newest first, from before entry number `before`."""
    parameters = {"account_id": account_id, "limit": limit, "before": before}
    return [entries.from_row(row) for row in _all(connection, _ENTRIES, parameters)]


def now(connection: Connection) -> datetime:
    """The database's time: the one that decides what has expired."""
    found: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
    return found


def entries_estimate(connection: Connection) -> int | None:
    """About how many entries there are, as the planner knows it; None when it does not."""
    estimate = text("select cast(reltuples as bigint) from pg_class where oid = to_regclass('entries')")
    count = connection.execute(estimate).scalar()
    return count if count and count > 0 else None


def _time(connection: Connection, since: datetime | timedelta | None) -> datetime | None:
    return now(connection) - since if isinstance(since, timedelta) else since


def _first_id(at: datetime) -> UUID:
    """The lowest id that a job settled at `at` can have."""
    milliseconds = max((at - _EPOCH) // timedelta(milliseconds=1), 0)
    return UUID(int=(milliseconds & (2**48 - 1)) << 80)


def _where(conditions: list[str]) -> str:
    return f"where {' and '.join(conditions)}" if conditions else ""


def _all(connection: Connection, statement: Any, parameters: Mapping[str, Any]) -> list[Row]:
    prepared = text(statement) if isinstance(statement, str) else statement
    return [dict(row) for row in connection.execute(prepared, dict(parameters)).mappings()]


def _first(connection: Connection, statement: Any, parameters: Mapping[str, Any]) -> Row | None:
    return next(iter(_all(connection, statement, parameters)), None)
