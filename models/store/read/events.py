"""The events of a job that the outbox still holds.

A row says only what happened and which job did it. The event itself is put together here from the job's answer: written
twice, it would be a fifth of the work of a job.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Connection, text

from models.contracts.replies.events import event_document
from models.contracts.replies.outcome import encode
from models.domain.events import ABOUT_TOP_UPS, EventType

_OF_JOB: Final = text("""
    select o.id, o.type, j.id as job_id, j.producer, j.idempotency_key, j.name, j.code, j.settled_at,
           a.kind || ':' || a.ref as account,
           cast(j.outcome->'entry' as text) as entry, cast(j.outcome->'response' as text) as response,
           cast(j.outcome->'error' as text) as error, cast(j.outcome->'response'->'account' as text) as of_top_up,
           cast(j.outcome->'response'->'policy' as text) as policy,
           cast(j.outcome->'response'->'charge' as text) as charge
    from outbox o join jobs j on j.id = o.job_id left join entries e on e.job_id = j.id and e.part = 0
    left join accounts a on a.id = coalesce(e.account_id, j.account_id)
    where o.job_id = :job_id
    order by o.id
""")


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as a receiver gets it, and its place among all events."""

    id: int  # its number in the outbox
    type: EventType
    created_at: datetime  # when its job was settled
    payload: str  # the event, JSON with every digit of the answer


def events_of_job(connection: Connection, job_id: UUID) -> tuple[StoredEvent, ...]:
    """The events of a job that are still here, in the order in which they became true."""
    found = connection.execute(_OF_JOB, {"job_id": job_id})
    return tuple(StoredEvent(row.id, EventType(row.type), row.settled_at, encode(_document(row))) for row in found)


def _document(row: Any) -> dict[str, Any]:
    event = EventType(row.type)
    data: dict[str, Any]
    if event is EventType.JOB_REJECTED:
        data = {"name": row.name, "code": row.code, "error": _raw(row.error)}
    else:
        data = {"entry": _raw(row.entry), "account": _raw(row.of_top_up or row.response)}
        if event in ABOUT_TOP_UPS:
            data |= {"policy": _raw(row.policy or "null"), "charge": _raw(row.charge or "null")}
    return event_document(event, row.job_id, row.producer, row.idempotency_key, row.settled_at, row.account, data)


def _raw(json_text: str) -> msgspec.Raw:
    """A part of the answer, digit for digit."""
    return msgspec.Raw(json_text.encode())
