"""Settled jobs, for a person who looks: read a page at a time through the indexes there are, newest first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from models.domain.accounts import AccountKey, Kind
from models.domain.ledger import Entry
from models.domain.outcome import Code, Status
from models.store.read.accounts import now
from models.store.read.entries import RelatedEntry, entries_of_job, reversals_of, reversed_by
from models.store.read.events import StoredEvent, events_of_job
from models.store.read.page import Page
from models.store.write import bodies

Moment = tuple[datetime, UUID]
"""When a job was settled, and its id. An account's jobs have this order, and its entries have the same."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_ID: Final = UUID(int=0)
_LAST_ID: Final = UUID(int=2**128 - 1)
_END: Final[Moment] = (datetime.max.replace(tzinfo=UTC), _LAST_ID)
_JOB: Final = """
    select j.id, j.settled_at, j.name, j.producer, j.idempotency_key, j.status, j.code,
           a.kind, a.ref, a.scale, e.seq, e.amount, e.balance_after
    from ({chosen}) as j
    left join entries e on e.job_id = j.id and e.part = 0
    left join accounts a on a.id = coalesce(j.account_id, e.account_id)
    order by {order}
"""
_OF_ALL: Final = """
    select * from jobs j where id >= :since and id < :before {filters} order by id desc limit {limit}
"""
_OF_ACCOUNT: Final = """
    (select j.* from entries e join jobs j on j.id = e.job_id
     where e.account_id = :account_id and e.part = 0 and e.seq > :after and e.seq <= :up_to {filters}
     order by e.seq desc limit {limit})
    union all
    (select j.* from jobs j
     where account_id = :account_id and settled_at >= :since and (settled_at, id) < (:before_at, :before) {filters}
     order by settled_at desc, id desc limit {limit})
    order by settled_at desc, id desc limit {limit}
"""
# A key alone is looked for under each producer there is: each is found by one step through the index of keys.
_OF_KEY: Final = """
    with recursive known (producer) as (
        (select producer from jobs order by producer limit 1)
        union all
        select (select n.producer from jobs n where n.producer > known.producer order by n.producer limit 1)
        from known where known.producer is not null
    )
    select j.* from known join jobs j on j.producer = known.producer and j.idempotency_key = :key
    where j.id >= :since and j.id < :before {filters}
    order by j.id desc limit {limit}
"""
_AMONG: Final = "select * from ({chosen}) as j where true {filters} order by {order} limit :limit"
_LAST_OF: Final = "select id from ({chosen}) as j order by {order} offset :most - 1 limit 1"
_ABOUT: Final = """
    and (j.account_id = :account_id
         or exists (select from entries o where o.job_id = j.id and o.account_id = :account_id))
"""
_ONE: Final = _JOB.format(chosen="select * from jobs where {condition}", order="j.id")
_TEXTS: Final = text(f"""
    select {bodies.BODY} as body, cast(j.outcome as text) as outcome from jobs j {bodies.JOIN} where j.id = :id
""")  # noqa: S608 - our own columns
_MOMENT: Final = text("select settled_at, id from jobs where id = :id")
_MOMENT_OF_ENTRY: Final = text("""
    select j.settled_at, j.id from entries e join jobs j on j.id = e.job_id
    where e.account_id = :account_id and e.seq = :seq
""")
_KEYS: Final = text("select id, idempotency_key from jobs where id = any(cast(:job_ids as uuid[]))")
_LAST_SEQ: Final = text("select seq from accounts where id = :account_id")


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; None: any."""

    account_id: int | None = None
    producer: str | None = None
    name: str | None = None
    status: Status | None = None
    code: Code | None = None
    since: datetime | timedelta | None = None  # a time, or how long ago
    until: datetime | timedelta | None = None  # the same: settled before then
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and where the next one goes on; None: nothing that was asked for lies further back."""

    jobs: tuple[JobSummary, ...]
    further: UUID | None
    gave_up: bool  # it looked at as many as it may, and the page is not full


@dataclass(frozen=True, slots=True)
class Movement:
    """What a job's own entry did to the balance, in units of 10**-scale of the account."""

    seq: int
    amount: int
    balance_after: int


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A settled job."""

    id: UUID
    settled_at: datetime
    name: str
    producer: str
    idempotency_key: str
    status: Status
    code: Code
    account: AccountKey | None  # None: it was about none that there is
    scale: int | None  # of the account
    movement: Movement | None  # None: it wrote no entry


@dataclass(frozen=True, slots=True)
class JobDetails:
    """All that is known of a settled job."""

    job: JobSummary
    body: str | None  # what was asked, JSON; None once pruned
    outcome: str  # what it was answered, JSON: parsing it would turn its decimals into floats
    entry: Entry | None
    bonus_entry: Entry | None  # the second one of the same job
    taken_back_by: tuple[RelatedEntry, ...]  # entries of other jobs, which reversed these in whole or in part
    takes_back: tuple[RelatedEntry, ...]
    events: tuple[StoredEvent, ...]  # those that the outbox still holds


def jobs(connection: Connection, wanted: JobFilter, limit: int, before: UUID | None = None) -> Page[JobSummary]:
    """Up to `limit` settled jobs, the newest first, from before the job `before`.

    Job ids sort by time, so the primary key serves as the index by time. An account's jobs are found by the entries
    that they wrote; those that wrote none have an index of their own. The other conditions filter what these find:
    bound a search for something rare by `since`, or by `search`.
    """
    chosen, order, filters, parameters = _chosen(connection, wanted, before)
    statement = _JOB.format(chosen=chosen.format(filters=filters, limit=":limit"), order=order)
    found = connection.execute(text(statement), {"limit": limit + 1, **parameters})
    return Page.of([_summary(row) for row in found], limit)


def search(connection: Connection, wanted: JobFilter, limit: int, most: int, before: UUID | None = None) -> Found:
    """The same, but it looks at no more than `most` jobs: however rare what is wanted is, the answer comes at once."""
    chosen, order, filters, parameters = _chosen(connection, wanted, before)
    if not filters or wanted.key is not None:  # nothing is looked at in vain
        page = jobs(connection, wanted, limit, before)
        return Found(page.rows, None if page.last is None else page.last.id, gave_up=False)
    among = chosen.format(filters="", limit=":most")
    statement = _JOB.format(chosen=_AMONG.format(chosen=among, filters=filters, order=order), order=order)
    parameters |= {"most": most}
    rows = connection.execute(text(statement), {"limit": limit + 1, **parameters})
    page = Page.of([_summary(row) for row in rows], limit)
    if page.last is not None:
        return Found(page.rows, page.last.id, gave_up=False)
    last = connection.execute(text(_LAST_OF.format(chosen=among, order=order)), parameters).scalar()
    return Found(page.rows, last, gave_up=last is not None)


def job(connection: Connection, job_id: UUID) -> JobDetails | None:
    """One settled job."""
    return _one(connection, "id = :id", {"id": job_id})


def job_under(connection: Connection, producer: str, key: str) -> JobDetails | None:
    """The job that was settled under this producer's key."""
    return _one(connection, "producer = :producer and idempotency_key = :key", {"producer": producer, "key": key})


def keys_of(connection: Connection, job_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The idempotency keys of these jobs."""
    return {row.id: row.idempotency_key for row in connection.execute(_KEYS, {"job_ids": [*job_ids]})}


def _one(connection: Connection, condition: str, parameters: dict[str, Any]) -> JobDetails | None:
    found = connection.execute(text(_ONE.format(condition=condition)), parameters).first()
    if found is None:
        return None
    told = connection.execute(_TEXTS, {"id": found.id}).one()
    written = entries_of_job(connection, found.id)
    takes_back = (reversed_by(connection, entry) for entry in written if entry.details.reverses is not None)
    return JobDetails(
        job=_summary(found),
        body=told.body,
        outcome=told.outcome,
        entry=written[0] if written else None,
        bonus_entry=written[1] if len(written) > 1 else None,
        taken_back_by=tuple(other for entry in written for other in reversals_of(connection, entry)),
        takes_back=tuple(other for other in takes_back if other is not None),
        events=events_of_job(connection, found.id),
    )


def _summary(row: Row[Any]) -> JobSummary:
    return JobSummary(
        id=row.id,
        settled_at=row.settled_at,
        name=row.name,
        producer=row.producer,
        idempotency_key=row.idempotency_key,
        status=Status(row.status),
        code=Code(row.code),
        account=None if row.kind is None else AccountKey(Kind(row.kind), row.ref),
        scale=row.scale,
        movement=None if row.seq is None else Movement(row.seq, row.amount, row.balance_after),
    )


def _chosen(connection: Connection, wanted: JobFilter, before: UUID | None) -> tuple[str, str, str, dict[str, Any]]:
    """Which way jobs are found: the statement, its order, the conditions that no index answers, and the parameters."""
    given = {name: getattr(wanted, name) for name in ("producer", "name", "status", "code")}
    given = {name: str(value) for name, value in given.items() if value is not None}
    filters = "".join(f" and j.{name} = :{name}" for name in given)
    since, until = _moment(connection, wanted.since, _EPOCH), _moment(connection, wanted.until, _END[0])
    if wanted.account_id is not None and wanted.key is None:
        bounds = _bounds(connection, wanted.account_id, since, until, before)
        return _OF_ACCOUNT, "settled_at desc, id desc", filters, {**given, **bounds}
    last = _LAST_ID if wanted.until is None else _first_id(until)
    bounds = {"since": _first_id(since), "before": min(before or _LAST_ID, last), "key": wanted.key}
    if wanted.account_id is not None:
        filters, bounds = filters + _ABOUT, bounds | {"account_id": wanted.account_id}
    return (_OF_ALL if wanted.key is None else _OF_KEY), "id desc", filters, {**given, **bounds}


def _moment(connection: Connection, at: datetime | timedelta | None, otherwise: datetime) -> datetime:
    return now(connection) - at if isinstance(at, timedelta) else at or otherwise


def _bounds(
    connection: Connection, account_id: int, since: datetime, until: datetime, before: UUID | None
) -> dict[str, Any]:
    """From where to where an account's jobs are read: by time, and by the numbers of its entries."""
    end = (until, _LAST_ID if until == _END[0] else _FIRST_ID)
    if before is not None:
        found = connection.execute(_MOMENT, {"id": before}).first()
        # No such job: nothing before it.
        end = min(end, (_EPOCH, _FIRST_ID) if found is None else (found.settled_at, found.id))
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

    if end <= (_EPOCH, _FIRST_ID):
        return 0  # as far back as there is: nothing has to be looked at
    last: int = connection.execute(_LAST_SEQ, {"account_id": account_id}).scalar_one()
    if end == _END:
        return last
    return bisect_left(range(1, last + 1), end, key=moment)


def _first_id(at: datetime) -> UUID:
    """The lowest id that a job settled at `at` can have."""
    milliseconds = max((at - _EPOCH) // timedelta(milliseconds=1), 0)
    return UUID(int=(milliseconds & (2**48 - 1)) << 80)
