"""Dead letters as an operator looks for them: a page at a time, through an index, the one seen last first.

A letter leads to its job by producer and key: whatever settled the key, this letter replayed or the publisher himself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from models.domain import letters as domain
from models.domain.letters import GARBAGE, LetterStatus, NextStep, Obstacle
from models.domain.outcome import Code, Status
from models.store.read.accounts import now
from models.store.read.page import Page, Searched

_SHORT: Final = """
    l.id, l.status, l.reason, l.error, l.task, l.queue, l.producer, l.idempotency_key, l.attempts, l.first_seen,
    l.last_seen, l.closed_at, l.closed_by, l.discard_reason, j.id as job_id, j.status as job_status, j.code as job_code
"""
_WHOLE: Final = f"""
    {_SHORT}, l.digest, l.task_id, cast(l.headers as text) as headers, cast(l.properties as text) as properties, l.body
"""
_FROM: Final = """
    from ({chosen}) as l
    left join jobs j on j.producer = l.producer and j.idempotency_key = l.idempotency_key
    order by l.last_seen {direction}, l.id {direction}
"""


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters; None: any. Times are when a letter was last seen: a moment, or how long ago."""

    reason: str | None = None
    task: str | None = None
    status: LetterStatus | None = None
    since: datetime | timedelta | None = None
    until: datetime | timedelta | None = None
    replayable: bool = False  # not garbage
    producer: str | None = None


@dataclass(frozen=True, slots=True)
class LetterJob:
    """The job that has settled the key of a letter."""

    id: UUID
    status: Status
    code: Code


@dataclass(frozen=True, slots=True)
class LetterSummary:
    """A dead letter without its message. Texts that the message gave are as the database can hold them."""

    id: UUID
    status: LetterStatus
    reason: str  # a stable code
    error: str  # a sentence for the operator
    task: str | None
    queue: str | None
    producer: str | None
    idempotency_key: str | None
    attempts: int
    first_seen: datetime
    last_seen: datetime
    closed_at: datetime | None  # replayed or discarded; None: parked
    closed_by: str | None  # None: nobody has said who
    discard_reason: str | None
    job: LetterJob | None  # None: its key is not settled, or it has none

    @property
    def replay_obstacle(self) -> Obstacle | None:
        """Why it is not sent again; None when it can be."""
        return domain.replay_obstacle(self.status, self.reason, answered=self.job is not None)

    @property
    def discard_obstacle(self) -> Obstacle | None:
        """Why it is not closed; None when it can be."""
        return domain.discard_obstacle(self.status)

    @property
    def next_step(self) -> NextStep:
        """What an operator does next about it."""
        return domain.next_step(self.status, self.reason, answered=self.job is not None)


@dataclass(frozen=True, slots=True)
class Letter(LetterSummary):
    """A dead letter with its message."""

    digest: bytes  # by which the same message is known
    task_id: str | None
    headers: str  # JSON, as are the properties: parsing them would turn decimals into floats
    properties: str
    body: bytes


@dataclass(frozen=True, slots=True)
class LetterCount:
    """How many letters there are."""

    replayable: int
    garbage: int  # which cannot be sent again
    whole: bool = True  # False: there may be more, which were not looked at

    @property
    def total(self) -> int:
        return self.replayable + self.garbage


def at_once(connection: Connection, wanted: LetterFilter) -> LetterFilter:
    """The same filter for letters seen up to now, with its times fixed: what comes in later stays out of it."""
    at = now(connection)
    since, until = (at - each if isinstance(each, timedelta) else each for each in (wanted.since, wanted.until))
    return replace(wanted, since=since, until=until or at)


def find(connection: Connection, wanted: LetterFilter, limit: int, before: UUID | None = None) -> Page[LetterSummary]:
    """Up to `limit` letters without their bodies, the one seen last first, from before the letter `before`."""
    conditions, parameters = _before(connection, wanted, before)
    found = _rows(connection, _SHORT, _chosen(conditions, "desc"), {**parameters, "limit": limit + 1}, "desc")
    return Page.of([LetterSummary(**_summary(row)) for row in found], limit)


def search(
    connection: Connection, wanted: LetterFilter, limit: int, most: int, before: UUID | None = None
) -> Searched[LetterSummary]:
    """The same, but it looks at no more than `most` letters: however rare what is wanted is, the answer comes at once.

    One trait is answered by an index, and the others by looking: what is parked is few, as a rule.
    """
    indexed, looked_for = _ways(wanted)
    if not looked_for:
        page = find(connection, wanted, limit, before)
        return Searched(page.rows, None if page.last is None else page.last.id, gave_up=False)
    conditions, parameters = _before(connection, indexed, before)
    filters, given = _conditions(looked_for)
    parameters |= {**given, "most": most}
    among = _chosen(conditions, "desc", ":most")
    chosen = f"select * from ({among}) as l {_where(filters)} order by last_seen desc, id desc limit :limit"  # noqa: S608
    rows = _rows(connection, _SHORT, chosen, {**parameters, "limit": limit + 1}, "desc")
    page = Page.of([LetterSummary(**_summary(row)) for row in rows], limit)
    if page.last is not None:
        return Searched(page.rows, page.last.id, gave_up=False)
    last = f"select id from ({among}) as l order by last_seen desc, id desc offset :most - 1"  # noqa: S608
    further = connection.execute(text(last), parameters).scalar()
    return Searched(page.rows, further, gave_up=further is not None)


def count(connection: Connection, wanted: LetterFilter) -> LetterCount:
    """How many letters there are up to now."""
    conditions, parameters = _conditions(at_once(connection, wanted))
    counted = "count(*) filter (where reason <> :not_these) as replayable, count(*) as total"
    statement = f"select {counted} from dead_letters {_where(conditions)}"  # noqa: S608 - our own words
    found = connection.execute(text(statement), {**parameters, "not_these": GARBAGE}).one()
    return LetterCount(found.replayable, found.total - found.replayable)


def count_some(connection: Connection, wanted: LetterFilter, most: int) -> LetterCount:
    """The same, but it looks at no more than `most` letters, those seen first."""
    indexed, looked_for = _ways(at_once(connection, wanted))
    conditions, parameters = _conditions(indexed)
    filters, given = _conditions(looked_for) if looked_for else ([], {})
    meant = " and ".join(filters) or "true"
    statement = f"""
        select count(*) filter (where {meant} and reason <> :not_these) as replayable,
               count(*) filter (where {meant}) as total, count(*) as looked_at
        from ({_chosen(conditions, "asc", ":most")}) as l
    """  # noqa: S608 - our own words
    found = connection.execute(text(statement), {**parameters, **given, "most": most, "not_these": GARBAGE}).one()
    return LetterCount(found.replayable, found.total - found.replayable, whole=found.looked_at < most)


def whole(connection: Connection, ids: Sequence[UUID]) -> tuple[Letter, ...]:
    """These letters with their messages, the one seen first first. What is not there is left out."""
    return _letters(connection, ["id = any(cast(:ids as uuid[]))"], {"ids": list(ids), "limit": None})


def next_parked(
    connection: Connection, wanted: LetterFilter, limit: int, after: LetterSummary | None
) -> tuple[Letter, ...]:
    """The next parked letters, whole, the one seen first first, from after the letter `after`."""
    conditions, parameters = _conditions(replace(wanted, status=LetterStatus.PARKED))
    if after is not None:
        conditions.append("(last_seen, id) > (:after_seen, :after_id)")
        parameters |= {"after_seen": after.last_seen, "after_id": after.id}
    return _letters(connection, conditions, {**parameters, "limit": limit})


def _ways(wanted: LetterFilter) -> tuple[LetterFilter, LetterFilter | None]:
    """What an index answers, and what has to be looked for among that; None: nothing."""
    indexed = LetterFilter(since=wanted.since, until=wanted.until)
    if wanted.status is not None:
        indexed = replace(indexed, status=wanted.status)
    elif wanted.reason is not None:
        indexed = replace(indexed, reason=wanted.reason)
    else:
        indexed = replace(indexed, task=wanted.task)
    if indexed == wanted:
        return wanted, None
    return indexed, replace(wanted, since=None, until=None)


def _before(connection: Connection, wanted: LetterFilter, before: UUID | None) -> tuple[list[str], dict[str, Any]]:
    conditions, parameters = _conditions(at_once(connection, wanted) if wanted.since or wanted.until else wanted)
    if before is not None:
        conditions.append("(last_seen, id) < (select b.last_seen, b.id from dead_letters b where b.id = :before)")
        parameters["before"] = before
    return conditions, parameters


def _conditions(wanted: LetterFilter) -> tuple[list[str], dict[str, Any]]:
    given = {
        name: value for name in ("reason", "task", "status", "producer") if (value := getattr(wanted, name)) is not None
    }
    conditions, parameters = [f"{name} = :{name}" for name in given], dict(given)
    if wanted.since is not None:
        conditions.append("last_seen >= :since")
        parameters["since"] = wanted.since
    if wanted.until is not None:
        conditions.append("last_seen <= :until")
        parameters["until"] = wanted.until
    if wanted.replayable:
        conditions.append("reason <> :garbage")
        parameters["garbage"] = GARBAGE
    return conditions, parameters


def _letters(connection: Connection, conditions: list[str], parameters: dict[str, Any]) -> tuple[Letter, ...]:
    return tuple(
        Letter(
            **_summary(row),
            digest=bytes(row.digest),
            task_id=row.task_id,
            headers=row.headers,
            properties=row.properties,
            body=bytes(row.body),
        )
        for row in _rows(connection, _WHOLE, _chosen(conditions, "asc"), parameters, "asc")
    )


def _summary(row: Row[Any]) -> dict[str, Any]:
    """The fields of LetterSummary."""
    settled = None if row.job_id is None else LetterJob(row.job_id, Status(row.job_status), Code(row.job_code))
    given = {each.name: getattr(row, each.name) for each in fields(LetterSummary) if each.name != "job"}
    return {**given, "status": LetterStatus(row.status), "job": settled}


def _rows(
    connection: Connection, columns: str, chosen: str, parameters: dict[str, Any], direction: str
) -> Sequence[Row[Any]]:
    statement = f"select {columns} {_FROM.format(chosen=chosen, direction=direction)}"
    return connection.execute(text(statement), parameters).all()


def _chosen(conditions: list[str], direction: str, limit: str = ":limit") -> str:
    order = f"order by last_seen {direction}, id {direction}"
    return f"select * from dead_letters {_where(conditions)} {order} limit {limit}"  # noqa: S608 - our own words


def _where(conditions: list[str]) -> str:
    return f"where {' and '.join(conditions)}" if conditions else ""
