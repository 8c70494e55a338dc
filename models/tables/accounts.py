"""Accounts and their three profiles."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.domain import accounts as domain
from models.tables.base import FIXED, Base, Units, one_of


class Account(Base):
    """The one balance row. All that changes money locks it first."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("kind", "ref"),
        CheckConstraint(one_of("kind", *domain.Kind), "kind"),
        CheckConstraint("scale between 0 and 18", "scale"),
        CheckConstraint("seq >= 0 and (seq > 0 or balance = 0)", "no_balance_without_entries"),
        CheckConstraint("(seq = 0) = (head = ''::bytea)", "head_of_chain"),
        CheckConstraint("granted >= 0 and held >= 0 and (kind = 'wallet' or granted + held = 0)", "credits"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    kind: Mapped[str]
    ref: Mapped[str]
    unit: Mapped[str]
    scale: Mapped[int] = mapped_column(SmallInteger)
    balance: Mapped[Units]
    seq: Mapped[int]
    floor: Mapped[Units | None]
    head: Mapped[bytes] = mapped_column(LargeBinary)
    set_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    granted: Mapped[Units]  # left in its grants
    held: Mapped[Units]  # left in its holds
    changes: Mapped[int]  # of its terms: the number of the last record of one
    has_policy: Mapped[bool]  # whether there is a row of policies
    low_at: Mapped[list[int] | None] = mapped_column(
        ARRAY(BigInteger)
    )  # levels below which it is told, the highest first


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(one_of("status", *domain.UserStatus), "status"),
        # Looked at after the statement, not row by row: one batch may hand a telegram id from one user to another.
        UniqueConstraint("telegram_id", deferrable=True, initially="IMMEDIATE"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(unique=True, info=FIXED)
    telegram_id: Mapped[int | None]
    username: Mapped[str | None]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    language: Mapped[str]
    status: Mapped[str]
    referral_code: Mapped[str | None]
    referred_by_id: Mapped[int | None]
    has_had_paid_subscription: Mapped[bool]
    has_made_first_topup: Mapped[bool]
    last_activity: Mapped[datetime | None]
    promo_group: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    subscription: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class Wallet(Base):
    __tablename__ = "wallets"
    __table_args__ = (
        CheckConstraint(one_of("wallet_type", *domain.WalletType), "wallet_type"),
        CheckConstraint(one_of("status", *domain.WalletStatus), "status"),
        CheckConstraint("conversion_rate > 0", "conversion_rate_positive"),
        Index("ix_wallets_customer", "customer_id", "account_id", postgresql_where=text("customer_id is not null")),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    customer_id: Mapped[str | None] = mapped_column(info=FIXED)
    name: Mapped[str]
    description: Mapped[str]
    currency: Mapped[str] = mapped_column(info=FIXED)
    wallet_type: Mapped[str] = mapped_column(info=FIXED)
    status: Mapped[str]
    conversion_rate: Mapped[Decimal] = mapped_column(Numeric, info=FIXED)
    config: Mapped[dict[str, Any]] = mapped_column(JSONB)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    overdraft_allowed: Mapped[bool]
    timezone: Mapped[str | None]


class App(Base):
    __tablename__ = "apps"
    __table_args__ = (UniqueConstraint("app_id", "store_id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    app_id: Mapped[str] = mapped_column(info=FIXED)
    store_id: Mapped[str] = mapped_column(info=FIXED)
    decrease_only: Mapped[bool]
