"""The outbox: events written with the change that they tell of.

A row says only what happened, which job did it and where it is in the account's history: models/store/read/events.py
puts the event together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection

from models.batch.records import Told
from models.domain.events import EventType
from models.store.write import rows
from models.tables import outbox as tables


def insert(connection: Connection, events: Sequence[Told]) -> None:
    """Adds events in the order in which they became true."""
    if not events:
        return
    rows.insert(
        connection,
        tables.OutboxEvent,
        {
            "lane": [lane_of(event.account_id, event.job_id) for event in events],
            "type": [event.type for event in events],
            "job_id": [event.job_id for event in events],
            "account_id": [event.account_id for event in events],
            "seq": [event.seq for event in events],
            "data": [None if event.data is None else rows.raw(event.data) for event in events],
        },
    )


def insert_parked(connection: Connection, letters: Mapping[UUID, str]) -> None:
    """Adds that messages were parked: what each letter said then, as JSON, by its id."""
    if not letters:
        return
    rows.insert(
        connection,
        tables.OutboxEvent,
        {
            "lane": [lane_of(None, letter_id) for letter_id in letters],
            "type": [EventType.DEAD_LETTER_PARKED] * len(letters),
            "letter_id": [*letters],
            "data": [rows.raw(said) for said in letters.values()],
        },
    )


def lane_of(account_id: int | None, subject: UUID) -> int:
    """An account's own lane; what has no account has no order to keep."""
    return (subject.int if account_id is None else account_id) % tables.LANES
