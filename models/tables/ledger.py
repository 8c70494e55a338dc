"""The ledger: entries, which are only ever added, and the grants that they make and use up."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.credits.holds import HoldEnd
from models.domain.ledger import MOVES_NOTHING, EntryKind
from models.tables.base import Base, Units, one_of


class Entry(Base):
    __tablename__ = "entries"
    __table_args__ = (
        # A job writes one entry at the most, or two with a bonus: exactly once, said by the database.
        UniqueConstraint("job_id", "part"),
        CheckConstraint("part in (0, 1)", "part"),
        Index("ix_entries_reverses", "account_id", "reverses", postgresql_where=text("reverses is not null")),
        ForeignKeyConstraint(["account_id", "reverses"], ["entries.account_id", "entries.seq"]),
        CheckConstraint("seq >= 1", "seq_from_one"),
        CheckConstraint(f"amount <> 0 or {one_of('kind', *sorted(MOVES_NOTHING))}", "amount_moves"),
        CheckConstraint("reverses < seq", "reverses_an_earlier_one"),
        CheckConstraint("(reverses is not null) = (kind = 'reversal')", "reversal_names_its_entry"),
        CheckConstraint(one_of("kind", *EntryKind), "kind"),
        CheckConstraint(
            "octet_length(hash) = 32 and octet_length(prev_hash) = case seq when 1 then 0 else 32 end", "hash"
        ),
    )

    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[Units]
    balance_after: Mapped[Units]
    kind: Mapped[str]
    reason: Mapped[str | None]
    description: Mapped[str | None]
    job_id: Mapped[UUID]
    grant_id: Mapped[UUID | None]
    draws: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))  # [[grant id, units], …]
    reverses: Mapped[int | None]
    paid: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))  # [[grant id, units], …] that paid a debt
    holds: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))  # models/domain/ledger.py: hold_changes
    part: Mapped[int] = mapped_column(SmallInteger)
    metadata_: Mapped[Any | None] = mapped_column("metadata", JSON(none_as_null=True))
    listed: Mapped[bool]
    prev_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class Grant(Base):
    """Credits that expire, begin later or have a priority. `remaining` = amount less what entries have drawn."""

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint(
            "amount > 0 and remaining >= 0 and held >= 0 and remaining + held <= amount", "remaining_of_amount"
        ),
        # Nothing is taken twice, and nothing comes back that was taken: by time, an operator or a reversal.
        CheckConstraint(
            "reversed >= 0 and expired >= 0 and voided >= 0 and remaining + reversed + expired + voided <= amount",
            "taken_once",
        ),
        CheckConstraint("priority >= 0", "priority"),
        CheckConstraint(
            "expires_at is not null or priority is not null or effective_at is not null", "has_terms_of_its_own"
        ),
        CheckConstraint("not pending or effective_at is not null", "pending_until_it_begins"),
        Index("ix_grants_open", "account_id", postgresql_where=text("remaining > 0 or held > 0")),
        Index("ix_grants_pending", "effective_at", postgresql_where=text("pending")),
        Index(
            "ix_grants_unwarned",
            "expires_at",
            postgresql_where=text("remaining > 0 and expires_at is not null and not warned"),
        ),
        Index(
            "ix_grants_ending",
            text("coalesce(voided_at, expires_at)"),
            postgresql_where=text("remaining > 0 and coalesce(voided_at, expires_at) is not null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    amount: Mapped[Units]
    remaining: Mapped[Units]
    priority: Mapped[int | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    effective_at: Mapped[datetime | None]
    pending: Mapped[bool]
    held: Mapped[Units]
    reversed: Mapped[Units]
    expired: Mapped[Units]
    voided: Mapped[Units]
    voided_at: Mapped[datetime | None]
    warned: Mapped[bool]  # whether it was told that it will expire


class Hold(Base):
    """Credits reserved: amount = captured + remaining + what was given back."""

    __tablename__ = "holds"
    __table_args__ = (
        CheckConstraint("amount > 0 and remaining >= 0 and captured >= 0 and captured + remaining <= amount", "parts"),
        CheckConstraint("(remaining = 0) = (ended is not null)", "ended_when_empty"),
        CheckConstraint(one_of("ended", *HoldEnd), "ended"),
        Index("ix_holds_open", "account_id", postgresql_where=text("remaining > 0")),
        Index("ix_holds_expiring", "expires_at", postgresql_where=text("remaining > 0")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)  # of the job that made it
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    amount: Mapped[Units]
    remaining: Mapped[Units]
    captured: Mapped[Units]
    backing: Mapped[Any] = mapped_column(JSON)  # [[grant id, units], …] of what remains
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    ended: Mapped[str | None]
