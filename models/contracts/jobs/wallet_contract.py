"""What all jobs about wallets share: the wallet they name, the body they are answered with, and the errors."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from models.contracts.wire.envelope import Contract
from models.contracts.wire.fields import Identifier, Number, Time
from models.contracts.wire.status import HTTP_STATUS
from models.domain import accounts, money
from models.domain.accounts import Account, AccountKey, Kind
from models.domain.charging.charges import Charge
from models.domain.charging.policies import TopUpTrigger
from models.domain.credits import balance as credits
from models.domain.deciding.decision import DecisionContext
from models.domain.outcome import Refusal
from models.domain.value import enums

Trigger = Literal["disabled", "balance_below_threshold"]
PriceType = Literal["USAGE", "FIXED"]

# What publishers call otherwise than accounts.Wallet does.
_NAMES: Final = {"wallet_status": "status"}
_ENUMS: Final = enums(accounts.Wallet)
_TERMS: Final = {field.name for field in fields(accounts.Wallet)} - {"metadata"}


class WalletConfig(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    allowed_price_types: list[Literal["ALL", "USAGE", "FIXED"]] = ["ALL"]


class WalletAnswer(Contract):
    """A job that is answered with the wallet."""

    @classmethod
    def response(cls, account: Account, context: DecisionContext, charge: Charge | None = None) -> dict[str, Any]:
        return wallet_body(account, context)

    @classmethod
    def error(cls, refusal: Refusal) -> dict[str, Any]:
        return wallet_error(refusal)


class WalletContract(WalletAnswer):
    """A job that names its wallet."""

    wallet_id: Identifier

    @property
    def account(self) -> AccountKey:
        return AccountKey(Kind.WALLET, self.wallet_id)


class WalletTerms(WalletContract):
    """A job that says what a wallet is."""

    def terms(self) -> dict[str, Any]:
        """The fields that are the wallet's, by their names there."""
        names = {field: _NAMES.get(field, field) for field in type(self).model_fields}
        return {name: _term(name, getattr(self, field)) for field, name in names.items() if name in _TERMS}


def _term(name: str, given: Any) -> Any:
    if isinstance(given, BaseModel):
        return given.model_dump(mode="json")
    return given if given is None or name not in _ENUMS else _ENUMS[name](given)


class WalletBody(BaseModel):
    """What jobs about wallets are answered with. Numbers are JSON numbers with every decimal they have."""

    model_config = ConfigDict(extra="forbid")

    auto_topup_amount: Number | None
    auto_topup_min_balance: Number | None
    auto_topup_trigger: Literal["disabled", "balance_below_threshold", "interval"]
    balance: Number
    config: WalletConfig
    conversion_rate: Number
    created_at: Time
    credit_balance: Number
    currency: str
    customer_id: str | None
    description: str
    held: Number
    id: str
    metadata: dict[str, str]
    name: str
    updated_at: Time
    wallet_status: Literal["active", "frozen", "closed"]
    wallet_type: Literal["PROMOTIONAL", "PRE_PAID"]


_ORDER: Final = dict.fromkeys(WalletBody.model_fields)  # of the body, in which answers have stood ever since
_AS_IT_IS: Final = [
    field
    for field in WalletBody.model_fields
    if _NAMES.get(field, field) in {*_TERMS, "metadata"} - {"conversion_rate"}
]
_read_as_it_is: Final = attrgetter(*(_NAMES.get(field, field) for field in _AS_IT_IS))


def wallet_body(account: Account, context: DecisionContext) -> dict[str, Any]:
    """The whole wallet of the source document, and what is held beside it.

    `credit_balance` is what is there at this time: credits that have expired or have not begun are not counted.
    """
    wallet, policy = account.profile, account.policy
    assert isinstance(wallet, accounts.Wallet)

    def in_credits(units: int | None) -> int | Decimal | None:
        return None if units is None else money.shown(units, account.scale)

    balance, rate = money.shown(credits.credit(account, context.now), account.scale), wallet.conversion_rate
    body = {
        **_ORDER,
        "auto_topup_amount": in_credits(policy.amount if policy else None),
        "auto_topup_min_balance": in_credits(policy.threshold if policy else None),
        "auto_topup_trigger": policy.trigger if policy else TopUpTrigger.DISABLED,
        "balance": balance if rate == 1 else money.number(money.multiply(Decimal(balance), rate)),
        "conversion_rate": money.number(rate),
        "created_at": account.created_at,
        "credit_balance": balance,
        "held": money.shown(credits.held(account, context.now), account.scale),
        "id": account.key.ref,
        "updated_at": account.updated_at,
    }
    body.update(zip(_AS_IT_IS, _read_as_it_is(wallet), strict=True))
    return body


def wallet_error(refusal: Refusal) -> dict[str, Any]:
    """The source API's error; it knows three statuses: 400 for the request, 404, 409 for the wallet's state."""
    status = {402: 409, 422: 400}.get(HTTP_STATUS[refusal.code], HTTP_STATUS[refusal.code])
    error = {
        "message": refusal.message,
        "internal_error": refusal.code.value,
        "details": dict(refusal.details),
    }
    return {"status": status, "body": {"success": False, "error": error}}
