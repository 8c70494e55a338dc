"""Events that have not left: those of a job, and how much waits since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.events import EventType
from models.store.write.events.messages import COLUMNS, JOINS, message

_OF_JOB: Final = text(f"select {COLUMNS} from outbox o {JOINS} where o.job_id = :job_id order by o.id")  # noqa: S608 - our own columns

_NOW: Final = text("""
    select (select count(*) from outbox) as events, (select count(*) from stream_backlog) as backlog,
           least(
               (select min(j.settled_at) from (select job_id from outbox order by id limit 100) as o
                join jobs j on j.id = o.job_id),
               (select min(j.settled_at) from (select job_id from stream_backlog order by id limit 100) as o
                join jobs j on j.id = o.job_id)) as oldest_at
""")


@dataclass(frozen=True, slots=True)
class OutboxNow:
    """What waits to leave."""

    events: int  # for every destination
    backlog: int  # for the stream alone
    oldest_at: datetime | None  # as far as a job told it; None: nothing waits


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event that has not left the outbox, and its place among its account's."""

    id: int  # its number in the outbox
    type: EventType
    created_at: datetime  # when its job was settled
    payload: str  # the event, JSON with every digit of the answer


def events_of_job(connection: Connection, job_id: UUID) -> tuple[StoredEvent, ...]:
    """The events of a job that are still here, in the order in which they became true."""
    found = connection.execute(_OF_JOB, {"job_id": job_id})
    return tuple(StoredEvent(row.id, EventType(row.type), row.at, message(row).body.decode()) for row in found)


def outbox_now(connection: Connection) -> OutboxNow:
    """How much waits, and since when."""
    row = connection.execute(_NOW).one()
    return OutboxNow(row.events, row.backlog, row.oldest_at)
