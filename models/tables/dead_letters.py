"""Messages that could not be settled."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.letters import LetterStatus
from models.tables.base import Base, one_of


class DeadLetter(Base):
    """A message that could not be settled: kept with all that is needed to understand it and to send it again."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        CheckConstraint(one_of("status", *LetterStatus), "status"),
        CheckConstraint("(status = 'parked') = (closed_at is null)", "closed_when_no_longer_parked"),
        CheckConstraint("(status = 'discarded') = (discard_reason is not null)", "discarded_for_a_reason"),
        CheckConstraint("discard_reason <> ''", "discard_reason_says_something"),
        CheckConstraint("closed_by is null or status <> 'parked'", "closed_by_somebody"),
        CheckConstraint("(producer is null) = (idempotency_key is null)", "whole_identity"),
        CheckConstraint("attempts >= 1", "attempts"),
        CheckConstraint("first_seen <= last_seen", "seen_in_order"),
        CheckConstraint("octet_length(digest) = 32", "digest_length"),
        # The same message is one letter, counted. What was discarded is closed for good: if it comes again, it is new.
        Index("uq_dead_letters_digest", "digest", unique=True, postgresql_where=text("status <> 'discarded'")),
        # Each way to look for letters goes through one of these, the one seen last first.
        Index("ix_dead_letters_last_seen", "last_seen", "id"),
        Index("ix_dead_letters_status", "status", "last_seen", "id"),
        Index("ix_dead_letters_reason", "reason", "last_seen", "id"),
        Index("ix_dead_letters_task", "task", "last_seen", "id"),
        Index(
            "ix_dead_letters_key",
            "idempotency_key",
            "producer",
            postgresql_where=text("idempotency_key is not null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[str]
    reason: Mapped[str]
    error: Mapped[str]
    task: Mapped[str | None]
    task_id: Mapped[str | None]
    queue: Mapped[str | None]
    producer: Mapped[str | None]  # with the key: finds the job that the letter has become
    idempotency_key: Mapped[str | None]
    headers: Mapped[dict[str, Any]] = mapped_column(JSON)  # not JSONB, which refuses NUL
    properties: Mapped[dict[str, Any]] = mapped_column(JSON)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    attempts: Mapped[int]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    closed_at: Mapped[datetime | None]  # replayed or discarded
    discard_reason: Mapped[str | None]
    closed_by: Mapped[str | None]  # the operator, where one has said who it is
