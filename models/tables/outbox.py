"""The outbox: what is to be told to the outside, written in the transaction that made it true.

A row is on its way: it is gone once every destination has it, or has it in a queue of its own.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, SmallInteger, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.events import EventType
from models.tables.base import Base, one_of

LANES: Final = 16
"""An account's events are in one lane, which one relay at a time takes from: they leave in their order."""
_OF_ONE: Final = "(job_id is null) <> (letter_id is null)"
_LANE: Final = f"lane between 0 and {LANES - 1}"


class OutboxEvent(Base):
    """That something became true. What there is to say about it is in the job's answer, or in the letter."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint(one_of("type", *EventType), "type"),
        CheckConstraint(_OF_ONE, "of_a_job_or_a_letter"),
        CheckConstraint(_LANE, "lane"),
        UniqueConstraint("job_id", "type"),  # a job tells each thing once
    )

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)  # in the order in which an account's became true
    type: Mapped[str]
    job_id: Mapped[UUID | None]
    letter_id: Mapped[UUID | None] = mapped_column(ForeignKey("dead_letters.id"))
    account_id: Mapped[int | None]
    seq: Mapped[int | None]  # the account's last entry then
    data: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))  # what the answer does not say


class OutboxLane(Base):
    """Whose row is locked has the lane."""

    __tablename__ = "outbox_lanes"
    __table_args__ = (CheckConstraint(_LANE, "lane"),)

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    turn: Mapped[int]  # the number of the last one to have it, so that all lanes get theirs


class StreamEvent(Base):
    """An event out of the outbox that the broker does not take at the moment: every other destination has it."""

    __tablename__ = "stream_backlog"
    __table_args__ = (CheckConstraint(_OF_ONE, "of_a_job_or_a_letter"), CheckConstraint(_LANE, "lane"))

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str]
    job_id: Mapped[UUID | None]
    letter_id: Mapped[UUID | None]
    account_id: Mapped[int | None]
    seq: Mapped[int | None]
    data: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
