"""Jobs, each with its answer, and the messages that could not become one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.outcome import Status
from models.tables.base import Base, one_of


class Job(Base):
    """A settled job. The row is written once, with its outcome, in the transaction that applies it."""

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("producer", "idempotency_key"),  # one key, one effect
        CheckConstraint(one_of("status", *Status), "status"),
        CheckConstraint("(status = 'applied') = (code in ('applied', 'unchanged'))", "status_follows_code"),
        CheckConstraint("octet_length(fingerprint) = 32", "fingerprint_length"),
        Index("ix_jobs_account_id_settled_at", "account_id", "settled_at"),
        Index("ix_jobs_unpruned", "settled_at", postgresql_where=text("body is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    producer: Mapped[str]
    idempotency_key: Mapped[str]
    name: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)  # SHA-256 of name and meaning; stays for ever
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    status: Mapped[str]
    code: Mapped[str]
    body: Mapped[Any | None] = mapped_column(JSON)  # the meaning; dropped by jobs.prune
    outcome: Mapped[Any] = mapped_column(JSON)  # the document; jobs.prune leaves it without the response
    settled_at: Mapped[datetime]


class DeadLetter(Base):
    """A message that could not be settled: kept with all that is needed to understand and send it again."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        UniqueConstraint("digest"),  # the same message parked twice is one row
        CheckConstraint("attempts >= 1", "attempts"),
        Index("ix_dead_letters_last_seen", "last_seen"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str]
    task: Mapped[str | None]
    task_id: Mapped[str | None]
    queue: Mapped[str | None]
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    error: Mapped[str]
    attempts: Mapped[int]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
