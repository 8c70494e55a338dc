"""wallets.top_up and wallets.debit: the body of POST /wallets/{id}/top-up, and its counterpart."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, get_args

from pydantic import Field

from models.contracts.jobs.wallet_contract import PriceType, WalletContract
from models.contracts.wire.fields import Int64, Number, OptionalDescription, Time, TimeOrDate
from models.domain.deciding import commands
from models.domain.jobs.wallet_grants import EXPIRED_REASON
from models.domain.jobs.wallets import TERMINATED_REASON
from models.domain.outcome import Code, Refusal

SYSTEM_REASONS: Final = (EXPIRED_REASON, TERMINATED_REASON)
CreditReason = Literal[
    "FREE_CREDIT_GRANT",
    "PURCHASED_CREDIT_INVOICED",
    "PURCHASED_CREDIT_DIRECT",
    "PURCHASED_CREDIT_BONUS",
    "SUBSCRIPTION_CREDIT_GRANT",
    "INVOICE_PAYMENT",
    "INVOICE_REFUND",
    "INVOICE_VOID_REFUND",
    "CREDIT_NOTE",
    "CREDIT_ADJUSTMENT",
    "CREDIT_EXPIRED",
    "WALLET_TERMINATION",
]
DebitReason = Literal[
    "FREE_CREDIT_GRANT",
    "PURCHASED_CREDIT_INVOICED",
    "PURCHASED_CREDIT_DIRECT",
    "SUBSCRIPTION_CREDIT_GRANT",
    "INVOICE_PAYMENT",
    "INVOICE_REFUND",
    "MANUAL_BALANCE_DEBIT",
    "CREDIT_EXPIRED",
    "WALLET_TERMINATION",
]

Credits = Annotated[Number | None, Field(description="Credits; wins over amount when above zero")]
Amount = Annotated[Number | None, Field(description="In the wallet's currency; credits = amount ÷ rate")]


class WalletsTopUp(WalletContract):
    NAME: ClassVar[str] = "wallets.top_up"
    SUMMARY: ClassVar[str] = "Add credits to a wallet"

    credits_to_add: Credits = None
    amount: Amount = None
    transaction_reason: CreditReason
    expiry_date_utc: Annotated[
        TimeOrDate | None, Field(description="A date means the whole day, in UTC or in the wallet's timezone")
    ] = None
    priority: Annotated[Int64, Field(ge=0, lt=2**31, description="Lower is used first; absent: last")] | None = None
    effective_at: Annotated[Time | None, Field(description="From when the credits count; absent: at once")] = None
    bonus_credits_to_add: Annotated[
        Annotated[Number, Field(gt=0)] | None, Field(description="Free credits beside them: a second entry")
    ] = None
    bonus_expiry_date_utc: Annotated[TimeOrDate | None, Field(description="When the bonus expires")] = None
    description: OptionalDescription = None

    def to_command(self) -> commands.WalletTopUp | Refusal:
        if refusal := reason_refused(self.transaction_reason, CreditReason):
            return refusal
        if refusal := amount_refused(self.credits_to_add, self.amount, "credits_to_add"):
            return refusal
        bonus = None
        if self.bonus_credits_to_add is not None:
            bonus = commands.Bonus(self.bonus_credits_to_add, self.bonus_expiry_date_utc)
        return commands.WalletTopUp(
            target=self.account,
            credits=self.credits_to_add,
            amount=self.amount,
            reason=self.transaction_reason,
            description=self.description or "",
            expires_at=self.expiry_date_utc,
            priority=self.priority,
            effective_at=self.effective_at,
            bonus=bonus,
        )


class WalletsDebit(WalletContract):
    NAME: ClassVar[str] = "wallets.debit"
    SUMMARY: ClassVar[str] = "Spend credits of a wallet"

    credits: Credits = None
    amount: Amount = None
    transaction_reason: DebitReason = "INVOICE_PAYMENT"
    price_type: Annotated[
        PriceType | None, Field(description="What is paid for; the wallet's config may not allow it")
    ] = None
    overdraft: Annotated[
        Annotated[Number, Field(ge=0)] | None,
        Field(description="Credits below the floor that this debit may use, where the wallet allows it"),
    ] = None
    description: OptionalDescription = None

    def to_command(self) -> commands.WalletDebit | Refusal:
        if refusal := reason_refused(self.transaction_reason, DebitReason):
            return refusal
        if refusal := amount_refused(self.credits, self.amount, "credits"):
            return refusal
        return commands.WalletDebit(
            self.account,
            self.credits,
            self.amount,
            self.transaction_reason,
            self.description or "",
            self.price_type,
            self.overdraft,
        )


def reason_refused(reason: str, reasons: Any) -> Refusal | None:
    """The refusal of a reason that is ours to write."""
    if reason not in SYSTEM_REASONS:
        return None
    return Refusal(
        Code.REASON_RESERVED,
        f"transaction_reason {reason} is written by the system alone",
        {"field": "transaction_reason", "allowed": [each for each in get_args(reasons) if each not in SYSTEM_REASONS]},
    )


def amount_refused(credits: Number | None, amount: Number | None, field: str) -> Refusal | None:
    """The refusal of a body that says no amount."""
    if any(value is not None and value > 0 for value in (credits, amount)):
        return None
    return Refusal(
        Code.AMOUNT_MISSING, f"Either {field} or amount must be greater than zero", {"fields": [field, "amount"]}
    )
