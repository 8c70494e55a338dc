"""The ledger: entries, which are only ever added, and the grants that they make and use up."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.ledger import EntryKind
from models.tables.base import Base, Units, one_of


class Entry(Base):
    __tablename__ = "entries"
    __table_args__ = (
        UniqueConstraint("job_id"),  # a job writes one entry at the most: exactly once, said by the database
        # An entry is taken back once.
        Index(
            "uq_entries_reverses", "account_id", "reverses", unique=True, postgresql_where=text("reverses is not null")
        ),
        ForeignKeyConstraint(["account_id", "reverses"], ["entries.account_id", "entries.seq"]),
        CheckConstraint("seq >= 1", "seq_from_one"),
        CheckConstraint("amount <> 0", "amount_moves"),
        CheckConstraint("reverses < seq", "reverses_an_earlier_one"),
        CheckConstraint("(reverses is not null) = (kind = 'reversal')", "reversal_names_its_entry"),
        CheckConstraint(one_of("kind", *EntryKind), "kind"),
        CheckConstraint(
            "octet_length(hash) = 32 and octet_length(prev_hash) = case seq when 1 then 0 else 32 end", "hash"
        ),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[Units]
    balance_after: Mapped[Units]
    kind: Mapped[str]
    reason: Mapped[str | None]
    description: Mapped[str | None]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    grant_id: Mapped[UUID | None]
    draws: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))  # [[grant id, units], …]
    reverses: Mapped[int | None]
    metadata_: Mapped[Any | None] = mapped_column("metadata", JSON(none_as_null=True))
    listed: Mapped[bool]
    prev_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class Grant(Base):
    """Credits that expire or have a priority. `remaining` = amount less what entries have drawn."""

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("amount > 0 and remaining between 0 and amount", "remaining_of_amount"),
        CheckConstraint("priority >= 0", "priority"),
        CheckConstraint("expires_at is not null or priority is not null", "expires_or_has_priority"),
        Index("ix_grants_open", "account_id", postgresql_where=text("remaining > 0")),
        Index("ix_grants_expiring", "expires_at", postgresql_where=text("remaining > 0 and expires_at is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    amount: Mapped[Units]
    remaining: Mapped[Units]
    priority: Mapped[int | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
