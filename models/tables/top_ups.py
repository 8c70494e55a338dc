"""Auto top-up: policies, the charges that they make, and the switches of operators."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.charging.charges import OPEN, Cause, ChargeStatus
from models.domain.charging.policies import Interval, ProviderName, Reason, TopUpTrigger
from models.tables.base import FIXED, Base, Units, one_of


class Policy(Base):
    """One an account, with where it stands."""

    __tablename__ = "policies"
    __table_args__ = (
        CheckConstraint(one_of("trigger", *TopUpTrigger), "trigger"),
        CheckConstraint(one_of("interval", *Interval), "interval"),
        CheckConstraint(one_of("provider", *ProviderName), "provider"),
        CheckConstraint(one_of("reason", *Reason), "reason"),
        CheckConstraint(
            "trigger = 'disabled' or ((amount is null) <> (target is null) and coalesce(amount, target) > 0)",
            "fixed_amount_or_target",
        ),
        CheckConstraint(
            "trigger <> 'balance_below_threshold' or (threshold > 0 and threshold is not null)", "threshold"
        ),
        CheckConstraint(
            "trigger <> 'interval' or (interval is not null and anchor is not null and next_at is not null)", "times"
        ),
        CheckConstraint(
            "(due_at is null and wanted is null) or (trigger <> 'disabled' and suspended is null)",
            "due_only_with_policy_in_force",
        ),
        CheckConstraint("open_charge is null or due_at is null", "one_charge_at_a_time"),
        CheckConstraint("declines >= 0 and crossing >= 0 and version >= 0", "counts"),
        # What the scan reads: only those whose time has come, however many there are.
        Index("ix_policies_due", "due_at", postgresql_where=text("due_at is not null")),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    trigger: Mapped[str]
    threshold: Mapped[Units | None]
    amount: Mapped[Units | None]
    target: Mapped[Units | None]
    interval: Mapped[str | None]
    anchor: Mapped[datetime | None]
    timezone: Mapped[str | None]
    charge_min: Mapped[Units | None]
    charge_max: Mapped[Units | None]
    monthly_cap: Mapped[Units | None]
    cooldown_s: Mapped[int | None]
    max_declines: Mapped[int | None]
    provider: Mapped[str]
    payer: Mapped[str | None]
    payment_method: Mapped[str | None]
    version: Mapped[int]
    due_at: Mapped[datetime | None]
    crossing: Mapped[int]
    wanted: Mapped[Units | None]
    topped_up_at: Mapped[datetime | None]
    suspended: Mapped[str | None]
    declines: Mapped[int]
    not_before: Mapped[datetime | None]
    reason: Mapped[str | None]
    open_charge: Mapped[UUID | None]
    next_at: Mapped[datetime | None]
    dropped: Mapped[bool]


class Charge(Base):
    """What a provider is asked for.

    `attempts`, `ask_at` and `answer` are the asking's own: by them is decided only whether a charge may be given up.
    """

    __tablename__ = "charges"
    __table_args__ = (
        CheckConstraint(one_of("status", *ChargeStatus), "status"),
        CheckConstraint(one_of("cause", *Cause), "cause"),
        CheckConstraint(one_of("provider", *ProviderName), "provider"),
        CheckConstraint("units > 0 and amount > 0", "amounts"),
        CheckConstraint(f"({one_of('status', *OPEN)}) = (settled_at is null)", "settled"),
        CheckConstraint("(status in ('succeeded', 'refunded')) = (credited_by is not null)", "credited_when_charged"),
        CheckConstraint("attempts >= 0", "attempts"),
        # One open charge an account, said by the database.
        Index("uq_charges_account_id_open", "account_id", unique=True, postgresql_where=text(one_of("status", *OPEN))),
        Index("ix_charges_account_id_created_at", "account_id", "created_at"),
        Index("ix_charges_asking", "ask_at", postgresql_where=text("ask_at is not null")),
    )

    id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), info=FIXED)
    policy_version: Mapped[int] = mapped_column(info=FIXED)
    cause: Mapped[str] = mapped_column(info=FIXED)
    units: Mapped[Units] = mapped_column(info=FIXED)
    amount: Mapped[Units] = mapped_column(info=FIXED)
    currency: Mapped[str] = mapped_column(info=FIXED)
    provider: Mapped[str] = mapped_column(info=FIXED)
    payer: Mapped[str | None] = mapped_column(info=FIXED)
    payment_method: Mapped[str | None] = mapped_column(info=FIXED)
    status: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(info=FIXED)
    settled_at: Mapped[datetime | None]
    credited_by: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"), unique=True)
    reference: Mapped[str | None]
    code: Mapped[str | None]
    link: Mapped[str | None]
    attempts: Mapped[int]
    ask_at: Mapped[datetime | None]  # when the provider is to be asked (again); None: not by us
    answer: Mapped[str | None]  # the last one that settled nothing


class Switch(Base):
    """What an operator has switched off for all."""

    __tablename__ = "switches"
    __table_args__ = (CheckConstraint("name = 'charging'", "name"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    is_on: Mapped[bool]
    set_at: Mapped[datetime]
    set_by: Mapped[str]
    reason: Mapped[str | None]
