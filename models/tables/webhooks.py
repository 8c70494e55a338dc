"""Webhooks: endpoints, what they are to be sent, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.webhooks.endpoints import DeliveryStatus, DisabledFor
from models.tables.base import FIXED, Base, one_of


class Endpoint(Base):
    """Where events are sent, and how sending there goes. Its secrets are made from a key that is not in the database.

    `failures`, `failing_since` and `open_at` are the sending's own: by them is decided when it is tried again, and
    whether it is disabled for its failures.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint(one_of("disabled", *DisabledFor), "disabled"),
        CheckConstraint("secret_version >= 1", "secret_version"),
        CheckConstraint("octet_length(secret_key) = 8 and octet_length(former_key) = 8", "keys"),
        CheckConstraint("(former_version is null) = (former_until is null)", "former_secret"),
        CheckConstraint("(former_version is null) = (former_key is null)", "former_key"),
        CheckConstraint("failures >= 0 and (failures > 0) = (failing_since is not null)", "failures"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)  # of the job that added it
    name: Mapped[str]
    url: Mapped[str]
    types: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # None: all
    kinds: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # of accounts; None: all, and what has no account
    disabled: Mapped[str | None]  # why it is; None: it is not
    removed: Mapped[bool]
    secret_version: Mapped[int]
    secret_key: Mapped[bytes] = mapped_column(LargeBinary)  # which key its secret is made from: the start of a digest
    former_version: Mapped[int | None]
    former_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    former_until: Mapped[datetime | None]  # signs too until then
    created_at: Mapped[datetime] = mapped_column(info=FIXED)
    updated_at: Mapped[datetime]
    failures: Mapped[int]  # in a row
    failing_since: Mapped[datetime | None]
    open_at: Mapped[datetime | None]  # nothing is sent until then


class DeliveryQueue(Base):
    """The deliveries of one account that wait for one endpoint: the first of them is sent when it is due."""

    __tablename__ = "webhook_queues"
    __table_args__ = (Index("ix_webhook_queues_due", "endpoint_id", "due_at"),)

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id"), primary_key=True)
    queue: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # account's id; below 0: of one event
    due_at: Mapped[datetime]
    claim: Mapped[int]  # how often it was claimed: who comes back with an older one has lost it


class Delivery(Base):
    """One event for one endpoint."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint(one_of("status", *DeliveryStatus), "status"),
        CheckConstraint("(status = 'waiting') = (ended_at is null)", "ended"),
        CheckConstraint("(job_id is null) <> (letter_id is null)", "of_a_job_or_a_letter"),
        CheckConstraint("attempts >= 0", "attempts"),
        Index(
            "ix_webhook_deliveries_waiting", "endpoint_id", "queue", "id", postgresql_where=text("status = 'waiting'")
        ),
        Index("ix_webhook_deliveries_ended", "ended_at", postgresql_where=text("status <> 'waiting'")),
    )

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id"), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # of the outbox
    queue: Mapped[int]
    type: Mapped[str]
    job_id: Mapped[UUID | None]
    letter_id: Mapped[UUID | None]
    account_id: Mapped[int | None]
    seq: Mapped[int | None]
    data: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    status: Mapped[str]
    attempts: Mapped[int]
    queued_at: Mapped[datetime]
    first_at: Mapped[datetime | None]  # of the first attempt since it was queued, or replayed
    last_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    code: Mapped[str | None]  # what the last attempt came to
    answer: Mapped[str | None]  # the beginning of what the receiver said
