"""Events: what there is to tell another service when a balance has moved."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from models.domain.events import EventType


def event_document(
    event: EventType, job_id: UUID, producer: str, key: str, at: datetime, account: str | None, data: dict[str, Any]
) -> dict[str, Any]:
    """One event. `id` is the same however often it is delivered: receivers drop what they have seen."""
    return {
        "id": f"{job_id}.{event.value}",
        "type": event.value,
        "created_at": at,
        "job_id": job_id,
        "producer": producer,
        "idempotency_key": key,
        "account": account,
        "data": data,
    }
