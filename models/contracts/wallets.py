"""wallets.*: the bodies of POST /wallets/{id}/top-up and of what a wallet is."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from models.contracts.envelope import Contract
from models.contracts.fields import (
    Description,
    Identifier,
    Int64,
    Metadata,
    Name,
    Number,
    OptionalDescription,
    TimeOrDate,
)
from models.domain import accounts, commands, money
from models.domain.accounts import Account, AccountKey, Kind
from models.domain.decision import Facts
from models.domain.outcome import HTTP_STATUS, Code, Refusal
from models.domain.wallets import EXPIRED_REASON, TERMINATED_REASON

CREDIT_REASONS: Final = (
    "FREE_CREDIT_GRANT",
    "PURCHASED_CREDIT_INVOICED",
    "PURCHASED_CREDIT_DIRECT",
    "SUBSCRIPTION_CREDIT_GRANT",
    "INVOICE_PAYMENT",
    "INVOICE_REFUND",
)
SYSTEM_REASONS: Final = (EXPIRED_REASON, TERMINATED_REASON)
Reason = Literal[
    "FREE_CREDIT_GRANT",
    "PURCHASED_CREDIT_INVOICED",
    "PURCHASED_CREDIT_DIRECT",
    "SUBSCRIPTION_CREDIT_GRANT",
    "INVOICE_PAYMENT",
    "INVOICE_REFUND",
    "CREDIT_EXPIRED",
    "WALLET_TERMINATION",
]
Trigger = Literal["disabled", "balance_below_threshold"]
Currency = Annotated[str, Field(pattern="^[A-Za-z]{3}$", max_length=3), AfterValidator(str.upper)]


class WalletConfig(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    allowed_price_types: list[Literal["ALL", "USAGE", "FIXED"]] = ["ALL"]


class _WalletContract(Contract):
    wallet_id: Identifier

    @property
    def account(self) -> AccountKey:
        return AccountKey(Kind.WALLET, self.wallet_id)

    @classmethod
    def response(cls, account: Account, facts: Facts) -> dict[str, Any]:
        return wallet_body(account)

    @classmethod
    def error(cls, refusal: Refusal) -> dict[str, Any]:
        return wallet_error(refusal)


class WalletsCreate(_WalletContract):
    NAME: ClassVar[str] = "wallets.create"
    SUMMARY: ClassVar[str] = "Open a wallet"

    customer_id: Identifier | None = None
    name: Name = ""
    description: Description = ""
    currency: Currency = "USD"
    wallet_type: Literal["PROMOTIONAL", "PRE_PAID"] = "PRE_PAID"
    conversion_rate: Annotated[Number, Field(gt=0)] = money.ONE
    scale: Annotated[Int64, Field(ge=0, le=money.SCALE_MAX, description="Decimals of a credit")] = accounts.WALLET_SCALE
    floor: Annotated[Number, Field(le=0, description="Credits; the lowest balance a job may leave")] = money.ZERO
    config: WalletConfig = WalletConfig()
    auto_topup_trigger: Trigger = "disabled"
    auto_topup_min_balance: Annotated[Number, Field(gt=0)] | None = None
    auto_topup_amount: Annotated[Number, Field(gt=0)] | None = None

    def to_command(self) -> commands.WalletCreate:
        return commands.WalletCreate(
            target=self.account,
            customer_id=self.customer_id,
            name=self.name,
            description=self.description,
            currency=self.currency,
            wallet_type=accounts.WalletType(self.wallet_type),
            conversion_rate=self.conversion_rate,
            scale=self.scale,
            floor=self.floor,
            config=self.config.model_dump(mode="json"),
            policy=commands.TopUpPolicy(
                accounts.TopUpTrigger(self.auto_topup_trigger), self.auto_topup_min_balance, self.auto_topup_amount
            ),
        )


class WalletsUpdate(_WalletContract):
    NAME: ClassVar[str] = "wallets.update"
    SUMMARY: ClassVar[str] = "Change a wallet's terms, auto top-up policy or status; what is absent stays as it is"

    metadata: Annotated[Metadata | None, Field(description="The wallet's own; empty clears it")] = None
    name: Name | None = None
    description: Description | None = None
    config: WalletConfig | None = None
    wallet_status: Annotated[
        Literal["active", "frozen"] | None, Field(description="To close a wallet use wallets.terminate")
    ] = None
    auto_topup_trigger: Trigger | None = None
    auto_topup_min_balance: Annotated[Number, Field(gt=0)] | None = None
    auto_topup_amount: Annotated[Number, Field(gt=0)] | None = None

    def to_command(self) -> commands.WalletUpdate:
        return commands.WalletUpdate(
            target=self.account,
            name=self.name,
            description=self.description,
            metadata=self.metadata,
            config=None if self.config is None else self.config.model_dump(mode="json"),
            status=None if self.wallet_status is None else accounts.WalletStatus(self.wallet_status),
            trigger=None if self.auto_topup_trigger is None else accounts.TopUpTrigger(self.auto_topup_trigger),
            min_balance=self.auto_topup_min_balance,
            top_up_amount=self.auto_topup_amount,
        )


class WalletsTopUp(_WalletContract):
    NAME: ClassVar[str] = "wallets.top_up"
    SUMMARY: ClassVar[str] = "Add credits to a wallet"

    credits_to_add: Annotated[Number | None, Field(description="Credits; wins over amount when above zero")] = None
    amount: Annotated[Number | None, Field(description="In the wallet's currency; credits = amount ÷ rate")] = None
    transaction_reason: Reason
    expiry_date_utc: TimeOrDate | None = None
    priority: Annotated[Int64, Field(ge=0, lt=2**31, description="Lower is used first; absent: last")] | None = None
    description: OptionalDescription = None

    def to_command(self) -> commands.WalletTopUp | Refusal:
        if refusal := _unusable(self.transaction_reason, self.credits_to_add, self.amount, "credits_to_add"):
            return refusal
        return commands.WalletTopUp(
            target=self.account,
            credits=self.credits_to_add,
            amount=self.amount,
            reason=self.transaction_reason,
            description=self.description or "",
            expires_at=self.expiry_date_utc,
            priority=self.priority,
        )


class WalletsDebit(_WalletContract):
    NAME: ClassVar[str] = "wallets.debit"
    SUMMARY: ClassVar[str] = "Spend credits of a wallet"

    credits: Annotated[Number | None, Field(description="Credits; wins over amount when above zero")] = None
    amount: Annotated[Number | None, Field(description="In the wallet's currency; credits = amount ÷ rate")] = None
    transaction_reason: Reason = "INVOICE_PAYMENT"
    description: OptionalDescription = None

    def to_command(self) -> commands.WalletDebit | Refusal:
        if refusal := _unusable(self.transaction_reason, self.credits, self.amount, "credits"):
            return refusal
        return commands.WalletDebit(
            self.account, self.credits, self.amount, self.transaction_reason, self.description or ""
        )


class WalletsTerminate(_WalletContract):
    NAME: ClassVar[str] = "wallets.terminate"
    SUMMARY: ClassVar[str] = "Take what is left in a wallet and close it"

    description: OptionalDescription = None

    def to_command(self) -> commands.WalletTerminate:
        return commands.WalletTerminate(self.account, self.description or "Wallet terminated")


def _unusable(reason: str, credits: Number | None, amount: Number | None, field: str) -> Refusal | None:
    if reason in SYSTEM_REASONS:
        return Refusal(
            Code.REASON_RESERVED,
            f"transaction_reason {reason} is written by the system alone",
            {"field": "transaction_reason", "allowed": list(CREDIT_REASONS)},
        )
    if not any(value is not None and value > 0 for value in (credits, amount)):
        return Refusal(
            Code.AMOUNT_MISSING, f"Either {field} or amount must be greater than zero", {"fields": [field, "amount"]}
        )
    return None


def wallet_body(account: Account) -> dict[str, Any]:
    """The whole wallet of the source document."""
    wallet = account.face
    assert isinstance(wallet, accounts.Wallet)

    def credits(units: int | None) -> int | Decimal | None:
        return None if units is None else money.number(money.from_units(units, account.scale))

    balance = money.from_units(account.balance, account.scale)
    return {
        "auto_topup_amount": credits(wallet.top_up_amount),
        "auto_topup_min_balance": credits(wallet.min_balance),
        "auto_topup_trigger": wallet.trigger.value,
        "balance": money.number(money.multiply(balance, wallet.conversion_rate)),
        "config": wallet.config,
        "conversion_rate": money.number(wallet.conversion_rate),
        "created_at": account.created_at,
        "credit_balance": money.number(balance),
        "currency": wallet.currency,
        "customer_id": wallet.customer_id,
        "description": wallet.description,
        "id": account.key.ref,
        "metadata": wallet.metadata,
        "name": wallet.name,
        "updated_at": account.updated_at,
        "wallet_status": wallet.status.value,
        "wallet_type": wallet.wallet_type.value,
    }


def wallet_error(refusal: Refusal) -> dict[str, Any]:
    """The source API's error; it knows three statuses: 400 for the request, 404, 409 for the wallet's state."""
    status = {402: 409, 422: 400}.get(HTTP_STATUS[refusal.code], HTTP_STATUS[refusal.code])
    error = {
        "message": refusal.message,
        "internal_error": refusal.code.value,
        "details": dict(refusal.details),
    }
    return {"status": status, "body": {"success": False, "error": error}}


class WalletBody(BaseModel):
    """What wallets.* jobs are answered with. Numbers are JSON numbers with every decimal they have."""

    model_config = ConfigDict(extra="forbid")

    auto_topup_amount: Number | None
    auto_topup_min_balance: Number | None
    auto_topup_trigger: Trigger
    balance: Number
    config: WalletConfig
    conversion_rate: Number
    created_at: TimeOrDate
    credit_balance: Number
    currency: str
    customer_id: str | None
    description: str
    id: str
    metadata: dict[str, str]
    name: str
    updated_at: TimeOrDate
    wallet_status: Literal["active", "frozen", "closed"]
    wallet_type: Literal["PROMOTIONAL", "PRE_PAID"]
