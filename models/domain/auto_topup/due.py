"""When a policy is looked at next. The rule is about the level, not about the moment at which it was passed.

Whatever changes the level or the policy looks again, under the account's lock, and notes in `due_at` when the scan has
to look: now, when a cooldown or what holds it back ends, at the next time of an interval, or when credits run out by
time. Each look has a number and is taken once, however often a scan runs and however many beats there are.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from models.domain import ledger
from models.domain.accounts import Account, Kind
from models.domain.auto_topup import evaluation
from models.domain.charging.policies import Policy, TopUpTrigger
from models.domain.deciding.decision import DecisionContext
from models.domain.events import EventType

REFUNDED = "refunded"


def due(account: Account, at: datetime) -> bool:
    """Whether a top-up is wanted at this time, whatever holds it back."""
    policy = account.policy
    if policy is None or not evaluation.in_force(account):
        return False
    if policy.trigger is TopUpTrigger.INTERVAL:
        return policy.next_at is not None and policy.next_at <= at
    units = evaluation.worth(account, policy, at)
    return units > 0 and ledger.fits(account, units) and evaluation.wanting(account, policy, at)


def follow(account: Account, context: DecisionContext) -> tuple[Account, tuple[EventType, ...]]:
    """The account with the next look noted, and the events of falling below the threshold and of coming back.

    The two alternate, whatever happens in between: what was told last stands in the policy. While it is out of force
    neither is told; what is then so is told when it is in force again.
    """
    policy = account.policy
    if policy is None:
        return account, ()
    below = evaluation.below(account, context.now)
    events: tuple[EventType, ...] = ()
    if account.key.kind is Kind.WALLET and below is not policy.dropped and evaluation.in_force(account):
        account = changed(account, dropped=below)
        events = (EventType.WALLET_BALANCE_DROPPED if below else EventType.WALLET_BALANCE_RECOVERED,)
    return noted(account, context), events


def wants(account: Account, level: int, context: DecisionContext) -> Account | None:
    """The account after a refusal for want of credits, when one top-up would reach the level; None when it would not.

    A mistaken debit of a billion must not buy anything.
    """
    policy = account.policy
    if policy is None or policy.trigger is not TopUpTrigger.BALANCE_BELOW_THRESHOLD:
        return None
    asking = changed(account, wanted=level)
    if evaluation.below(account, context.now) or not due(asking, context.now):
        return None
    return noted(asking, context)


def noted(account: Account, context: DecisionContext) -> Account:
    """The account with the time of the next look, and the number of the look when it is a new one."""
    policy = account.policy
    if policy is None:
        return account
    is_due = due(account, context.now)
    at, wanted = _look_at(account, policy, context, is_due=is_due), policy.wanted if is_due else None
    if (at, wanted) == (policy.due_at, policy.wanted):
        return account
    crossing = policy.crossing + (at is not None and policy.due_at is None)
    return changed(account, due_at=at, crossing=crossing, wanted=wanted)


def looked(account: Account, context: DecisionContext) -> Account:
    """The account after a look: its number is used up, the next one gets another."""
    return noted(changed(account, due_at=None), context)


def changed(account: Account, **state: Any) -> Account:
    """The account with this in its policy."""
    assert account.policy is not None
    return replace(account, policy=replace(account.policy, **state))


def _look_at(account: Account, policy: Policy, context: DecisionContext, *, is_due: bool) -> datetime | None:
    if not evaluation.in_force(account) or policy.open_charge is not None or not evaluation.payable(policy):
        return None
    if is_due:
        waits = [time for time in (evaluation.cooled_down_at(policy, context), policy.not_before) if time is not None]
        if waits and (ready := max(waits)) > context.now:
            return ready
        # Since when it is due: whoever has waited longest is topped up first.
        return policy.due_at if policy.due_at is not None and policy.due_at <= context.now else context.now
    if policy.trigger is TopUpTrigger.INTERVAL:
        return policy.next_at
    # Nobody moves anything when credits expire: the scan has to look then. What a hold has may have come back by then.
    held = (grant for grant in account.grants if grant.remaining or grant.held)
    ends = (grant.expires_at for grant in held if not grant.lapsed(context.now))
    return min((end for end in ends if end is not None), default=None)
