"""When a wallet is due for a top-up. The rule is about the level, not about the moment at which it was passed.

A wallet is due while its policy is in force and what can be spent is less than the minimum. It is due as well when a
debit was refused for want of credits that one top-up would have covered. Whatever changes either looks again, under
the account's lock, and notes in `due_at` when the scan has to look: now, when a cooldown ends, or when credits run out
by time. Each look has a number and is taken once, however often a scan runs and however many beats there are.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from models.domain import ledger
from models.domain.accounts import Account, TopUpTrigger, Wallet, WalletStatus
from models.domain.credits import balance as credits
from models.domain.deciding.decision import DecisionContext
from models.domain.events import EventType

REFUNDED = "refunded"


def in_force(wallet: Wallet) -> bool:
    return (
        wallet.trigger is TopUpTrigger.BALANCE_BELOW_THRESHOLD
        and wallet.status is WalletStatus.ACTIVE
        and wallet.suspended is None
    )


def below(account: Account, at: datetime) -> bool:
    """Whether a policy is in force and what can be spent at this time is less than its minimum."""
    wallet = account.profile
    return (
        isinstance(wallet, Wallet)
        and in_force(wallet)
        and wallet.min_balance is not None
        and credits.spendable(account, at) < wallet.min_balance
    )


def due(account: Account, at: datetime) -> bool:
    """Whether a top-up is wanted at this time, a cooldown or not."""
    wallet = account.profile
    assert isinstance(wallet, Wallet)
    wanted, amount = wallet.wanted, wallet.top_up_amount
    if not in_force(wallet) or amount is None or not ledger.fits(account, amount):
        return False
    if below(account, at):
        return True
    if wanted is None:
        return False
    level = credits.spendable(account, at)
    return level < wanted <= level + amount


def follow(before: Account, after: Account, context: DecisionContext) -> tuple[Account, tuple[EventType, ...]]:
    """`after` with the next look noted, and the events of falling below the minimum and of coming back."""
    assert isinstance(before.profile, Wallet)
    assert isinstance(after.profile, Wallet)
    if after.profile.trigger is TopUpTrigger.DISABLED and after.profile.due_at is None and after.profile.wanted is None:
        return after, ()
    # What has expired since the last move fell then; this move, or the sweep, is the first to tell.
    was_below, is_below = below(before, before.updated_at), below(after, context.now)
    events: tuple[EventType, ...] = ()
    if is_below and not was_below:
        events = (EventType.WALLET_BALANCE_DROPPED,)
    elif was_below and not is_below and in_force(after.profile):
        events = (EventType.WALLET_BALANCE_RECOVERED,)
    return noted(after, context), events


def wants(account: Account, level: int, context: DecisionContext) -> Account | None:
    """The account after a refusal for want of credits, when one top-up would reach the level; None when it would not.

    A mistaken debit of a billion must not buy anything.
    """
    wallet = account.profile
    assert isinstance(wallet, Wallet)
    asking = replace(account, profile=replace(wallet, wanted=level))
    if below(account, context.now) or not due(asking, context.now):
        return None
    return noted(asking, context)


def noted(account: Account, context: DecisionContext) -> Account:
    """The account with the time of the next look, and the number of the look when it is a new one."""
    wallet = account.profile
    assert isinstance(wallet, Wallet)
    is_due = due(account, context.now)
    at, wanted = _look_at(account, wallet, context, is_due=is_due), wallet.wanted if is_due else None
    if (at, wanted) == (wallet.due_at, wallet.wanted):
        return account
    crossing = wallet.crossing + (at is not None and wallet.due_at is None)
    return replace(account, profile=replace(wallet, due_at=at, crossing=crossing, wanted=wanted))


def looked(account: Account, context: DecisionContext) -> Account:
    """The account after a look: its number is used up, the next one gets another."""
    wallet = account.profile
    assert isinstance(wallet, Wallet)
    return noted(replace(account, profile=replace(wallet, due_at=None)), context)


def _look_at(account: Account, wallet: Wallet, context: DecisionContext, *, is_due: bool) -> datetime | None:
    if not in_force(wallet):
        return None
    if is_due:
        ready = context.now if wallet.topped_up_at is None else wallet.topped_up_at + context.limits.top_up_cooldown
        if ready > context.now:
            return ready
        # Since when it is due: whoever has waited longest is topped up first.
        return wallet.due_at if wallet.due_at is not None and wallet.due_at <= context.now else context.now
    # Nobody moves anything when credits expire: the scan has to look then. What a hold has may have come back by then.
    held = (grant for grant in account.grants if grant.remaining or grant.held)
    ends = (grant.expires_at for grant in held if not grant.lapsed(context.now))
    return min((end for end in ends if end is not None), default=None)
