"""The outbox: events written with the change that they tell of.

A row says only what happened and which job did it. The event itself is put together from the job's answer when it is
read: written twice, it would be a fifth of the work of a job.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Connection, text

from models.contracts.replies.events import event_document
from models.contracts.replies.outcome import encode
from models.domain.events import EventType
from models.domain.value import value
from models.store.write import rows
from models.tables import outbox as tables

_OF_JOB: Final = text("""
    select o.id, o.type, j.id as job_id, j.producer, j.idempotency_key, j.name, j.code, j.settled_at,
           a.kind || ':' || a.ref as account,
           cast(j.outcome->'entry' as text) as entry, cast(j.outcome->'response' as text) as response,
           cast(j.outcome->'error' as text) as error
    from outbox o join jobs j on j.id = o.job_id left join entries e on e.job_id = j.id and e.part = 0
    left join accounts a on a.id = coalesce(e.account_id, j.account_id)
    where o.job_id = :job_id
    order by o.id
""")


@value(frozen=True, slots=True)
class Event:
    type: EventType
    job_id: UUID


def insert(connection: Connection, events: Sequence[Event]) -> None:
    """Adds events in the order in which they became true."""
    rows.insert(
        connection, tables.OutboxEvent, [{"type": event.type.value, "job_id": event.job_id} for event in events]
    )


def of_job(connection: Connection, job_id: UUID) -> list[dict[str, Any]]:
    """The events of a job that are still here, in order: {id, type, created_at, payload: JSON text}."""
    found = connection.execute(_OF_JOB, {"job_id": job_id}).all()
    return [
        {"id": row.id, "type": row.type, "created_at": row.settled_at, "payload": encode(_document(row))}
        for row in found
    ]


def _document(row: Any) -> dict[str, Any]:
    event = EventType(row.type)
    data: dict[str, Any]
    if event is EventType.JOB_REJECTED:
        data = {"name": row.name, "code": row.code, "error": _raw(row.error)}
    else:
        data = {"entry": _raw(row.entry), "account": _raw(row.response)}
    return event_document(event, row.job_id, row.producer, row.idempotency_key, row.settled_at, row.account, data)


def _raw(json_text: str) -> msgspec.Raw:
    """A part of the answer, digit for digit."""
    return msgspec.Raw(json_text.encode())
