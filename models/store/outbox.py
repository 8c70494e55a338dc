"""The outbox: events written with the change that they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from models.domain.events import EventType
from models.store import rows
from models.tables import outbox as tables


@dataclass(frozen=True, slots=True)
class Event:
    type: EventType
    account_id: int | None
    job_id: UUID
    payload: str  # JSON
    created_at: datetime


def insert(connection: Connection, events: Sequence[Event]) -> None:
    """Adds events in the order in which they became true."""
    rows.insert(
        connection,
        tables.OutboxEvent,
        [
            {
                "type": event.type.value,
                "account_id": event.account_id,
                "job_id": event.job_id,
                "payload": rows.raw(event.payload),
                "created_at": event.created_at,
            }
            for event in events
        ],
    )
