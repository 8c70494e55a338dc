"""The one decision of auto top-up: (policy, balances, history, now) -> fire, or hold, with the reason.

The reasons stand in their order of precedence: who is told one knows that none of those before it is in the way.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from models.domain import ledger, money
from models.domain.accounts import Account, App, UserStatus, Wallet, WalletStatus
from models.domain.auto_topup.calendar import month_of
from models.domain.charging.charges import Cause
from models.domain.charging.policies import Policy, ProviderName, Reason, TopUpTrigger
from models.domain.credits import balance as credits
from models.domain.deciding.decision import Charging, DecisionContext
from models.domain.value import value

_NEEDS_A_PAYER: Final = frozenset({ProviderName.STRIPE})  # a service of one's own may know the payer by the account


@value(frozen=True, slots=True)
class Fire:
    """Top up by so many units, for which `amount` of the currency's smallest unit is charged."""

    units: int
    amount: int
    cause: Cause


@value(frozen=True, slots=True)
class Hold:
    """Not now. `until`: when time alone ends it; None: something has to change. `code`: what suspended it."""

    reason: Reason
    until: datetime | None = None
    code: str | None = None


def evaluate(account: Account, context: DecisionContext, *, asked: bool = False) -> Fire | Hold:
    """What a look at this time comes to. `asked`: somebody wants it now, at any level and without waiting."""
    policy = account.policy
    if policy is None or policy.trigger is TopUpTrigger.DISABLED:
        return Hold(Reason.DISABLED)
    charging = context.charging or Charging()
    if held := _closed(account, policy, charging) or (None if asked else _early(account, policy, context)):
        return held
    units = worth(account, policy, context.now)
    if units <= 0:
        return Hold(Reason.ABOVE_THRESHOLD)
    if not ledger.fits(account, units):
        return Hold(Reason.DOES_NOT_FIT)
    try:
        amount = charged_for(account, units, context.limits.digits_of(currency_of(account)))
    except money.Overflow:
        return Hold(Reason.DOES_NOT_FIT)
    if amount == 0:
        return Hold(Reason.AMOUNT_TOO_SMALL)
    if policy.monthly_cap is not None:
        first, end = month_of(context.now, place(account))
        if charging.charged.get(account.id, {}).get(first, 0) + units > policy.monthly_cap:
            return Hold(Reason.CAP_REACHED, end)
    return Fire(units, amount, Cause.RUN_NOW if asked else _cause(account, policy, context.now))


def _closed(account: Account, policy: Policy, charging: Charging) -> Hold | None:
    if not active(account):
        return Hold(Reason.INACTIVE)
    if policy.suspended is not None:
        return Hold(Reason.SUSPENDED, code=policy.suspended)
    if charging.paused:
        return Hold(Reason.CHARGING_PAUSED)
    if policy.open_charge is not None:
        return Hold(Reason.CHARGE_PENDING)
    if not payable(policy):
        return Hold(Reason.NO_PAYMENT_METHOD)
    return None


def _early(account: Account, policy: Policy, context: DecisionContext) -> Hold | None:
    now = context.now
    if policy.trigger is TopUpTrigger.INTERVAL:
        if policy.next_at is not None and policy.next_at > now:
            return Hold(Reason.NOT_YET, policy.next_at)
    elif not wanting(account, policy, now):
        return Hold(Reason.ABOVE_THRESHOLD)
    if policy.declines and policy.not_before is not None and policy.not_before > now:
        return Hold(Reason.DECLINED, policy.not_before)
    ready = cooled_down_at(policy, context)
    return Hold(Reason.COOLDOWN, ready) if ready is not None and ready > now else None


# --- what the rules are made of


def active(account: Account) -> bool:
    return account.status in (UserStatus.ACTIVE, WalletStatus.ACTIVE)


def in_force(account: Account) -> bool:
    """Whether the account has a policy that may fire, now or later."""
    policy = account.policy
    return (
        policy is not None
        and policy.trigger is not TopUpTrigger.DISABLED
        and policy.suspended is None
        and active(account)
    )


def payable(policy: Policy) -> bool:
    return policy.provider not in _NEEDS_A_PAYER or policy.payer is not None


def below(account: Account, at: datetime) -> bool:
    """Whether a policy is in force and what can be spent at this time is less than its threshold."""
    policy = account.policy
    return (
        policy is not None
        and policy.trigger is TopUpTrigger.BALANCE_BELOW_THRESHOLD
        and in_force(account)
        and policy.threshold is not None
        and credits.spendable(account, at) < policy.threshold
    )


def wanting(account: Account, policy: Policy, at: datetime) -> bool:
    """Whether the level asks for a top-up: it is low, or one would cover a job that was refused."""
    if below(account, at):
        return True
    if policy.wanted is None:
        return False
    level = credits.spendable(account, at)
    return level < policy.wanted <= level + worth(account, policy, at)


def worth(account: Account, policy: Policy, at: datetime) -> int:
    """The units of a top-up at this time: what is fixed, or what is missing within the bounds. 0 or less: none."""
    if policy.amount is not None:
        return policy.amount
    if policy.target is None:
        return 0
    missing = policy.target - credits.spendable(account, at)
    if missing <= 0:
        return 0
    most = [bound for bound in (policy.charge_max, policy.monthly_cap) if bound is not None]
    return min([max(missing, policy.charge_min or 0), *most])


def cooled_down_at(policy: Policy, context: DecisionContext) -> datetime | None:
    """When the next may follow the last one; None: there was none."""
    if policy.topped_up_at is None:
        return None
    own = policy.cooldown_s
    return policy.topped_up_at + (context.limits.top_up_cooldown if own is None else timedelta(seconds=own))


def place(account: Account) -> str | None:
    """The time zone of the policy."""
    own = None if account.policy is None else account.policy.timezone
    return own or (account.profile.timezone if isinstance(account.profile, Wallet) else None)


def charged_for(account: Account, units: int, digits: int) -> int:
    """What so many units cost, in the smallest unit of the currency, half up. Raises Overflow."""
    assert not isinstance(account.profile, App)
    rate = account.profile.conversion_rate if isinstance(account.profile, Wallet) else money.ONE
    price = money.multiply(money.from_units(units, account.scale), rate)
    return money.minor_units(price, digits)


def currency_of(account: Account) -> str:
    return account.profile.currency if isinstance(account.profile, Wallet) else account.unit


def _cause(account: Account, policy: Policy, at: datetime) -> Cause:
    if policy.trigger is TopUpTrigger.INTERVAL:
        return Cause.INTERVAL
    return Cause.THRESHOLD if below(account, at) else Cause.REFUSED_JOB
