"""When a wallet's balance crosses its minimum, and what that leads to.

A crossing is armed under the account's lock, numbered, and filled by one top-up that carries its number: however often
a scan looks and however many beats run, one crossing makes one top-up.
"""

from __future__ import annotations

from dataclasses import replace

from models.domain.accounts import Account, TopUpTrigger, Wallet, WalletStatus
from models.domain.events import EventType


def in_force(wallet: Wallet) -> bool:
    return wallet.trigger is TopUpTrigger.BALANCE_BELOW_THRESHOLD and wallet.status is WalletStatus.ACTIVE


def below(account: Account) -> bool:
    """Whether a policy is in force and the balance is below its minimum."""
    wallet = account.face
    return (
        isinstance(wallet, Wallet)
        and in_force(wallet)
        and wallet.min_balance is not None
        and account.balance < wallet.min_balance
    )


def follow(before: Account, after: Account) -> tuple[Account, tuple[EventType, ...]]:
    """`after` with the crossing armed or disarmed, and the events of crossing.

    A debit that leaves the balance below the minimum arms it, unless it is armed already. So does a policy that is
    switched on, raised or thawed while the balance is below. Rising to the minimum, or a policy out of force, disarms.
    """
    assert isinstance(before.face, Wallet)
    assert isinstance(after.face, Wallet)
    wallet, was_below, is_below = after.face, below(before), below(after)
    if is_below:
        fell = after.balance < before.balance
        if wallet.due_at is None and (fell or not was_below):
            wallet = replace(wallet, due_at=after.updated_at, crossing=wallet.crossing + 1)
    elif wallet.due_at is not None:
        wallet = replace(wallet, due_at=None)
    events: tuple[EventType, ...] = ()
    if is_below and not was_below:
        events = (EventType.WALLET_BALANCE_DROPPED,)
    elif was_below and not is_below and in_force(wallet):
        events = (EventType.WALLET_BALANCE_RECOVERED,)
    return (after if wallet is after.face else replace(after, face=wallet)), events


def fulfil(account: Account) -> Account:
    """The account with its crossing answered, before the credit is posted."""
    assert isinstance(account.face, Wallet)
    return replace(account, face=replace(account.face, due_at=None))
