"""The outbox: what is to be told to the outside, written in the transaction that made it true."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.events import EventType
from models.tables.base import Base, one_of


class OutboxEvent(Base):
    __tablename__ = "outbox"
    __table_args__ = (CheckConstraint(one_of("type", *EventType), "type"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)  # the order in which events became true
    type: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), index=True)  # what a job told, for support
    payload: Mapped[Any] = mapped_column(JSON)
    created_at: Mapped[datetime]
