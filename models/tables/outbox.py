"""The outbox: what is to be told to the outside, written in the transaction that made it true."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.events import EventType
from models.tables.base import Base, one_of


class OutboxEvent(Base):
    """That a job made something true. What there is to say about it is in the job's answer."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint(one_of("type", *EventType), "type"),
        UniqueConstraint("job_id", "type"),  # a job tells each thing once
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)  # the order in which events became true
    type: Mapped[str]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
