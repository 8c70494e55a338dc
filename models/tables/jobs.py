"""Jobs, each with its answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSON
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
        Index("ix_jobs_without_entry", "account_id", "settled_at", postgresql_where=text("account_id is not null")),
        Index("ix_jobs_unpruned", "settled_at", postgresql_where=text("body is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    producer: Mapped[str]
    idempotency_key: Mapped[str]
    name: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)  # SHA-256 of name and meaning; stays for ever
    account_id: Mapped[int | None]  # None as well where an entry says it
    status: Mapped[str]
    code: Mapped[str]
    body: Mapped[Any | None] = mapped_column(JSON)  # what was asked, of a job older than JobBody
    outcome: Mapped[Any] = mapped_column(JSON)  # the document, kept for ever
    settled_at: Mapped[datetime]
    events: Mapped[int | None] = mapped_column(SmallInteger)  # told, by bits; None or below 0: before the records


class JobBody(Base):
    """What a job asked, as long as it is kept: jobs.prune takes it away with its day.

    Ids of jobs begin with the time, so that a partition is a day; `job_bodies_rest` has what came while it had none.
    """

    __tablename__ = "job_bodies"
    __table_args__: Any = {"postgresql_partition_by": "range (job_id)"}  # noqa: RUF012 - as SQLAlchemy has it

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    body: Mapped[Any] = mapped_column(JSON)
