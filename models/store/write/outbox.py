"""The outbox: events written with the change that they tell of.

A row says only what happened and which job did it: models/store/read/events.py puts the event together.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from models.domain.events import EventType
from models.domain.value import value
from models.store.write import rows
from models.tables import outbox as tables


@value(frozen=True, slots=True)
class Event:
    type: EventType
    job_id: UUID


def insert(connection: Connection, events: Sequence[Event]) -> None:
    """Adds events in the order in which they became true."""
    rows.insert(
        connection, tables.OutboxEvent, [{"type": event.type.value, "job_id": event.job_id} for event in events]
    )
