"""Published events: what another service is told when a balance has moved."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from models.domain.commands import Job
from models.domain.events import EventType


def event_document(
    job: Job, number: int, event: EventType, at: datetime, account: str | None, data: dict[str, Any]
) -> dict[str, Any]:
    """One event. `id` is the same however often it is delivered: receivers drop what they have seen."""
    return {
        "id": f"{job.id}.{number}",
        "type": event.value,
        "created_at": at,
        "job_id": job.id,
        "producer": job.producer,
        "idempotency_key": job.key,
        "account": account,
        "data": data,
    }
