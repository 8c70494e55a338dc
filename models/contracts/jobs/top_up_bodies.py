"""What jobs about auto top-up are answered with: the account, its policy and where that stands, and a charge."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.contracts.jobs.entries import account_body
from models.contracts.jobs.users import UserBody
from models.contracts.jobs.wallet_contract import WalletBody
from models.contracts.wire.fields import Count, Id64, Number, Time
from models.domain import money
from models.domain.accounts import Account
from models.domain.auto_topup.evaluation import currency_of
from models.domain.charging.charges import Charge
from models.domain.charging.policies import Policy, TopUpTrigger
from models.domain.credits import balance as credits
from models.domain.deciding.decision import DecisionContext


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PolicyBody(_Body):
    """The policy, and where it stands. Amounts are credits, or roubles of a user."""

    spendable: Annotated[Number, Field(description="What could be spent when it was decided")]
    currency: Annotated[str, Field(description="In which it is charged")]
    trigger: Literal["disabled", "balance_below_threshold", "interval"]
    threshold: Number | None
    amount: Number | None
    target_balance: Number | None
    interval: Literal["daily", "weekly", "monthly", "quarterly", "yearly"] | None
    anchor: Time | None
    timezone: str | None
    min_charge: Number | None
    max_charge: Number | None
    monthly_cap: Number | None
    cooldown_s: Count | None
    max_declines: Count | None
    provider: Literal["none", "http", "stripe"]
    payer: str | None
    payment_method: str | None
    version: Annotated[Count, Field(description="How often it was set")]
    suspended: Annotated[str | None, Field(description="Why it is out of force until it is resumed")]
    declines: Annotated[Count, Field(description="In a row")]
    reason: Annotated[str | None, Field(description="What came of the last look: fired, cap_reached, …")]
    not_before: Annotated[Time | None, Field(description="A decline or the cap holds it back until then")]
    next_look_at: Time | None
    topped_up_at: Time | None
    open_charge: str | None


class ChargeBody(_Body):
    """A charge. `amount` is in the currency, `minor_units` the same in its smallest unit."""

    id: Annotated[str, Field(description="Also its idempotency key at the provider")]
    status: Literal["pending", "needs_action", "succeeded", "declined", "void", "refunded"]
    cause: Literal["balance_below_threshold", "refused_job", "interval", "run_now"]
    credits: Annotated[Number, Field(description="What the account gets; roubles of a user")]
    amount: Number
    minor_units: Id64
    currency: str
    provider: Literal["none", "http", "stripe"]
    payer: str | None
    payment_method: str | None
    policy_version: Count
    created_at: Time
    settled_at: Time | None
    reference: Annotated[str | None, Field(description="The provider's own id of it")]
    code: Annotated[str | None, Field(description="Why it was declined, given back or given up")]
    link: Annotated[str | None, Field(description="Where the payer confirms it")]


class TopUpBody(_Body):
    """What jobs about auto top-up are answered with."""

    account: WalletBody | UserBody
    policy: PolicyBody
    charge: Annotated[ChargeBody | None, Field(description="That the job made or settled")]


def top_up_body(account: Account, context: DecisionContext, charge: Charge | None) -> dict[str, Any]:
    return {
        "account": account_body(account, context),
        "policy": policy_body(account, context),
        "charge": None
        if charge is None
        else charge_body(charge, account.scale, context.limits.digits_of(charge.currency)),
    }


def policy_body(account: Account, context: DecisionContext) -> dict[str, Any]:
    policy = account.policy or Policy(TopUpTrigger.DISABLED)

    def shown(units: int | None) -> int | Decimal | None:
        return None if units is None else money.shown(units, account.scale)

    return {
        "spendable": shown(credits.spendable(account, context.now)),
        "currency": currency_of(account),
        "trigger": policy.trigger.value,
        "threshold": shown(policy.threshold),
        "amount": shown(policy.amount),
        "target_balance": shown(policy.target),
        "interval": policy.interval and policy.interval.value,
        "anchor": policy.anchor,
        "timezone": policy.timezone,
        "min_charge": shown(policy.charge_min),
        "max_charge": shown(policy.charge_max),
        "monthly_cap": shown(policy.monthly_cap),
        "cooldown_s": policy.cooldown_s,
        "max_declines": policy.max_declines,
        "provider": policy.provider.value,
        "payer": policy.payer,
        "payment_method": policy.payment_method,
        "version": policy.version,
        "suspended": policy.suspended,
        "declines": policy.declines,
        "reason": policy.reason and policy.reason.value,
        "not_before": policy.not_before,
        "next_look_at": policy.due_at,
        "topped_up_at": policy.topped_up_at,
        "open_charge": policy.open_charge and str(policy.open_charge),
    }


def charge_body(charge: Charge, scale: int, digits: int) -> dict[str, Any]:
    """`scale`: of the account's units; `digits`: decimals of the currency."""
    return {
        "id": str(charge.id),
        "status": charge.status.value,
        "cause": charge.cause.value,
        "credits": money.shown(charge.units, scale),
        "amount": money.shown(charge.amount, digits),
        "minor_units": charge.amount,
        "currency": charge.currency,
        "provider": charge.provider.value,
        "payer": charge.payer,
        "payment_method": charge.payment_method,
        "policy_version": charge.policy_version,
        "created_at": charge.created_at,
        "settled_at": charge.settled_at,
        "reference": charge.reference,
        "code": charge.code,
        "link": charge.link,
    }
