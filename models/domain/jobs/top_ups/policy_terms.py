"""auto_topup.set_policy: what an account's owner agrees to, whole, and whether it makes sense."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from models.domain import money
from models.domain.accounts import Account, Kind, Wallet, WalletStatus
from models.domain.auto_topup.calendar import next_time
from models.domain.auto_topup.evaluation import currency_of, place
from models.domain.charging.policies import Policy, ProviderName, TopUpTrigger
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Decision, DecisionContext
from models.domain.deciding.top_up_commands import PolicySet
from models.domain.jobs.top_ups.looks import followed
from models.domain.jobs.wallets import NOT_FOUND, unstorable
from models.domain.outcome import Code, Refusal

_AMOUNTS: Final = ("threshold", "amount", "target", "charge_min", "charge_max", "monthly_cap")
_NAMES: Final = {"target": "target_balance", "charge_min": "min_charge", "charge_max": "max_charge"}
"""As they are called in jobs, where that is another name."""


def set_policy(command: PolicySet, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Replaces the policy; what it had come to stands. A suspended one is in force again: it is agreed to anew."""
    if account is None:
        return NOT_FOUND if command.target.kind is Kind.WALLET else Refusal(Code.USER_NOT_FOUND, "User not found")
    if isinstance(account.profile, Wallet) and account.profile.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    units: dict[str, Any] = {}
    for name in _AMOUNTS:
        given = command.amounts.get(name)
        try:
            units[name] = None if given is None else money.to_units(given, account.scale)
        except (money.ScaleExceeded, money.Overflow) as error:
            return unstorable(error, _NAMES.get(name, name), account.scale)
    terms = replace(command.terms, **units)
    if refusal := unsound(terms) or _uncharged(terms, account, context):
        return refusal
    if terms.trigger is TopUpTrigger.INTERVAL:
        terms = replace(terms, anchor=terms.anchor or _anchor(terms, account.policy) or context.now)
    after = replace(account, policy=taken_over(terms, account.policy), updated_at=context.now)
    return followed(_scheduled(after, account.policy, context), context)


def taken_over(terms: Policy, before: Policy | None) -> Policy:
    """The terms with what there is of a policy: its number, its looks, the charge that is open."""
    if before is None:
        return replace(terms, version=1)
    return replace(
        terms,
        version=before.version + 1,
        due_at=before.due_at,
        crossing=before.crossing,
        wanted=before.wanted,
        topped_up_at=before.topped_up_at,
        reason=before.reason,
        open_charge=before.open_charge,
        dropped=before.dropped,
    )


def _scheduled(account: Account, before: Policy | None, context: DecisionContext) -> Account:
    """With the interval's next time: the one that there was, when the times are the same."""
    policy = account.policy
    assert policy is not None
    if policy.interval is None or policy.anchor is None:
        return account
    same = before is not None and before.next_at is not None and _times(before) == _times(policy)
    # A time that is now is one: whoever agrees to a top-up every month from today gets today's.
    next_at = before.next_at if same and before is not None else _first(account, policy, context)
    return replace(account, policy=replace(policy, next_at=next_at))


def _anchor(terms: Policy, before: Policy | None) -> datetime | None:
    """That of the interval that there is, when it is agreed to again: with now, each time would be one to charge."""
    if before is None or before.trigger is not TopUpTrigger.INTERVAL:
        return None
    same = (before.interval, before.timezone) == (terms.interval, terms.timezone)
    return before.anchor if same else None


def _first(account: Account, policy: Policy, context: DecisionContext) -> datetime:
    assert policy.interval is not None
    assert policy.anchor is not None
    if policy.anchor >= context.now:
        return policy.anchor
    return next_time(policy.interval, policy.anchor, place(account), context.now)


def _times(policy: Policy) -> tuple[object, ...]:
    return policy.trigger, policy.interval, policy.anchor, policy.timezone


def unsound(policy: Policy) -> Refusal | None:
    """What is missing in terms that are switched on, or contradicts itself."""
    if policy.trigger is TopUpTrigger.DISABLED:
        return _contradictory(policy)
    if (policy.amount is None) == (policy.target is None):
        return _incomplete("either amount or target_balance has to be given", "amount")
    if policy.trigger is TopUpTrigger.BALANCE_BELOW_THRESHOLD and policy.threshold is None:
        return _incomplete("threshold has to be given for this trigger", "threshold")
    if policy.trigger is TopUpTrigger.INTERVAL and policy.interval is None:
        return _incomplete("interval has to be given for this trigger", "interval")
    return _contradictory(policy)


def _contradictory(policy: Policy) -> Refusal | None:
    least, most, cap = policy.charge_min, policy.charge_max, policy.monthly_cap
    rules = (
        ("target_balance is less than threshold", policy.target, policy.threshold),
        ("max_charge is less than min_charge", most, least),
        ("amount is less than min_charge", policy.amount, least),
        ("amount is more than max_charge", most, policy.amount),
        ("monthly_cap is less than amount: it would never fire", cap, policy.amount),
        ("monthly_cap is less than min_charge: it would never fire", cap, least),
    )
    for broken, more, less in rules:
        if more is not None and less is not None and more < less:
            field = broken.split(" ", 1)[0]
            return Refusal(Code.POLICY_CONTRADICTORY, broken, {"field": field})
    if policy.threshold is not None and policy.threshold + (policy.amount or 0) > money.UNITS_MAX:
        return Refusal(
            Code.BALANCE_OVERFLOW,
            "threshold and amount together are more than an account can hold",
            {"field": "amount"},
        )
    return None


def _uncharged(policy: Policy, account: Account, context: DecisionContext) -> Refusal | None:
    """Only what has a smallest unit can be charged for."""
    if policy.provider is ProviderName.NONE or currency_of(account) in context.limits.currency_digits:
        return None
    currency = currency_of(account)
    return Refusal(
        Code.CURRENCY_UNKNOWN,
        f"No provider can charge {currency}: ISO 4217 knows no such currency",
        {"currency": currency},
    )


def _incomplete(what: str, field: str) -> Refusal:
    return Refusal(Code.POLICY_INCOMPLETE, what, {"field": field})
