"""Settled jobs, for a person who looks: read a page at a time through the indexes there are, newest first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.store.read.accounts import Row, fetch, now

Moment = tuple[datetime, UUID]
"""When a job was settled, and its id. An account's jobs have this order, and its entries have the same."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_ID: Final = UUID(int=0)
_LAST_ID: Final = UUID(int=2**128 - 1)
_END: Final[Moment] = (datetime.max.replace(tzinfo=UTC), _LAST_ID)
_JOB: Final = """
    select j.id, j.settled_at, j.name, j.producer, j.idempotency_key, j.status, j.code,
           a.kind, a.ref, a.unit, a.scale, e.seq, e.amount, e.balance_after
    from ({chosen}) as j
    left join entries e on e.job_id = j.id and e.part = 0
    left join accounts a on a.id = coalesce(j.account_id, e.account_id)
    order by {order}
"""
_OF_ALL: Final = """
    select * from jobs j where id >= :since and id < :before {filters} order by id desc limit :limit
"""
_OF_ACCOUNT: Final = """
    (select j.* from entries e join jobs j on j.id = e.job_id
     where e.account_id = :account_id and e.part = 0 and e.seq > :after and e.seq <= :up_to {filters}
     order by e.seq desc limit :limit)
    union all
    (select j.* from jobs j
     where account_id = :account_id and settled_at >= :since and (settled_at, id) < (:before_at, :before) {filters}
     order by settled_at desc, id desc limit :limit)
    order by settled_at desc, id desc limit :limit
"""
_BODY: Final = """
    select j.id, cast(j.body as text) as body, cast(j.outcome as text) as outcome from jobs j where j.id = :id
"""
_MOMENT: Final = text("select settled_at, id from jobs where id = :id")
_MOMENT_OF_ENTRY: Final = text("""
    select j.settled_at, j.id from entries e join jobs j on j.id = e.job_id
    where e.account_id = :account_id and e.seq = :seq
""")
_LAST_SEQ: Final = text("select seq from accounts where id = :account_id")


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

    Job ids sort by time, so the primary key serves as the index by time. An account's jobs are found by the entries
    that they wrote; those that wrote none have an index of their own. The other conditions filter what these find:
    bound a search for something rare by `since`.
    """
    given = {name: getattr(wanted, name) for name in ("producer", "name", "status", "code")}
    given = {name: value for name, value in given.items() if value is not None}
    filters = "".join(f" and j.{name} = :{name}" for name in given)
    since = now(connection) - wanted.since if isinstance(wanted.since, timedelta) else wanted.since or _EPOCH
    if wanted.account_id is None:
        bounds = {"since": _first_id(since), "before": before or _LAST_ID}
        chosen, order = _OF_ALL, "id desc"
    else:
        bounds = _bounds(connection, wanted.account_id, since, before)
        chosen, order = _OF_ACCOUNT, "settled_at desc, id desc"
    statement = _JOB.format(chosen=chosen.format(filters=filters), order=order)
    return fetch(connection, statement, {"limit": limit, **given, **bounds})


def job(connection: Connection, job_id: UUID) -> Row | None:
    """One settled job."""
    return _job(connection, "id = :id", {"id": job_id})


def job_under(connection: Connection, producer: str, key: str) -> Row | None:
    """The job that was settled under this producer's key."""
    return _job(connection, "producer = :producer and idempotency_key = :key", {"producer": producer, "key": key})


def _job(connection: Connection, condition: str, parameters: Mapping[str, Any]) -> Row | None:
    chosen = f"select * from jobs where {condition}"  # noqa: S608 - our own words
    found = fetch(connection, _JOB.format(chosen=chosen, order="j.id"), parameters)
    if not found:
        return None
    return {**found[0], **fetch(connection, _BODY, {"id": found[0]["id"]})[0]}


def _bounds(connection: Connection, account_id: int, since: datetime, before: UUID | None) -> dict[str, Any]:
    """From where to where an account's jobs are read: by time, and by the numbers of its entries."""
    end = _END
    if before is not None:
        found = connection.execute(_MOMENT, {"id": before}).first()
        end = (_EPOCH, _FIRST_ID) if found is None else (found.settled_at, found.id)  # no such job: nothing before it
    return {
        "account_id": account_id,
        "since": since,
        "before_at": end[0],
        "before": end[1],
        "after": _entries_until(connection, account_id, (since, _FIRST_ID)),
        "up_to": _entries_until(connection, account_id, end),
    }


def _entries_until(connection: Connection, account_id: int, end: Moment) -> int:
    """How many entries the account had before this moment: a look at a few of them, however many there are."""

    def moment(seq: int) -> Moment:
        row = connection.execute(_MOMENT_OF_ENTRY, {"account_id": account_id, "seq": seq}).one()
        return row.settled_at, row.id

    last = connection.execute(_LAST_SEQ, {"account_id": account_id}).scalar_one()
    return bisect_left(range(1, last + 1), end, key=moment)


def _first_id(at: datetime) -> UUID:
    """The lowest id that a job settled at `at` can have."""
    milliseconds = max((at - _EPOCH) // timedelta(milliseconds=1), 0)
    return UUID(int=(milliseconds & (2**48 - 1)) << 80)
