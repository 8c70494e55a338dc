"""Dead letters as an operator looks for them: a page at a time, through an index, the one seen last first.

A letter leads to its job by producer and key: whatever settled the key, this letter replayed or the publisher himself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.letters import GARBAGE, LetterStatus
from models.store.read import accounts as history
from models.store.read.accounts import Row

_SHORT: Final = """
    l.id, l.status, l.reason, l.error, l.task, l.queue, l.producer, l.idempotency_key, l.attempts, l.first_seen,
    l.last_seen, l.closed_at, l.discard_reason, j.id as job_id, j.status as job_status, j.code as job_code
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


def at_once(connection: Connection, wanted: LetterFilter) -> LetterFilter:
    """The same filter for letters seen up to now, with its times fixed: what comes in later stays out of it."""
    now = history.now(connection)
    since, until = (now - each if isinstance(each, timedelta) else each for each in (wanted.since, wanted.until))
    return replace(wanted, since=since, until=until or now)


def find(connection: Connection, wanted: LetterFilter, limit: int, before: UUID | None = None) -> list[Row]:
    """Up to `limit` letters without their bodies, the one seen last first, from before the letter `before`."""
    conditions, parameters = _conditions(at_once(connection, wanted) if wanted.since or wanted.until else wanted)
    if before is not None:
        conditions.append("(last_seen, id) < (select b.last_seen, b.id from dead_letters b where b.id = :before)")
        parameters["before"] = before
    return _letters(connection, _SHORT, conditions, {**parameters, "limit": limit}, "desc")


def count(connection: Connection, wanted: LetterFilter) -> int:
    """How many letters there are."""
    conditions, parameters = _conditions(wanted)
    statement = f"select count(*) from dead_letters {_where(conditions)}"  # noqa: S608 - our own words
    return int(connection.execute(text(statement), parameters).scalar_one())


def whole(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """These letters with their bodies; headers and properties are JSON text. What is not there is left out."""
    return _letters(connection, _WHOLE, ["id = any(cast(:ids as uuid[]))"], {"ids": list(ids), "limit": None}, "asc")


def next_parked(connection: Connection, wanted: LetterFilter, limit: int, after: Row | None) -> list[Row]:
    """The next parked letters, whole, the one seen first first, from after the letter `after`."""
    conditions, parameters = _conditions(replace(wanted, status=LetterStatus.PARKED))
    if after is not None:
        conditions.append("(last_seen, id) > (:after_seen, :after_id)")
        parameters |= {"after_seen": after["last_seen"], "after_id": after["id"]}
    return _letters(connection, _WHOLE, conditions, {**parameters, "limit": limit}, "asc")


def _conditions(wanted: LetterFilter) -> tuple[list[str], dict[str, Any]]:
    given = {name: value for name in ("reason", "task", "status") if (value := getattr(wanted, name)) is not None}
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


def _letters(
    connection: Connection, columns: str, conditions: list[str], parameters: dict[str, Any], direction: str
) -> list[Row]:
    order = f"order by last_seen {direction}, id {direction}"
    chosen = f"select * from dead_letters {_where(conditions)} {order} limit :limit"  # noqa: S608 - our own words
    statement = f"select {columns} {_FROM.format(chosen=chosen, direction=direction)}"
    return [dict(row) for row in connection.execute(text(statement), parameters).mappings()]


def _where(conditions: list[str]) -> str:
    return f"where {' and '.join(conditions)}" if conditions else ""
