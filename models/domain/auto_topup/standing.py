"""Where a wallet's auto top-up stands, for whoever looks at it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from models.domain.accounts import TopUpTrigger, Wallet
from models.domain.auto_topup.due import in_force


class Standing(StrEnum):
    """Where a wallet's policy stands: what would have to happen for the next top-up."""

    OFF = "off"
    SUSPENDED = "suspended"  # until it is switched on again
    WALLET_INACTIVE = "wallet_inactive"  # the wallet is frozen or closed
    WAITING = "waiting"  # for less than the minimum
    SCHEDULED = "scheduled"  # the same, and it is looked at again at `due_at`: credits run out, or a cooldown ends
    DUE = "due"  # since `due_at`: the next scan looks


def standing(wallet: Wallet, at: datetime) -> Standing:
    """Where its policy stands at this time."""
    if wallet.trigger is TopUpTrigger.DISABLED:
        return Standing.OFF
    if wallet.suspended is not None:
        return Standing.SUSPENDED
    if not in_force(wallet):
        return Standing.WALLET_INACTIVE
    if wallet.due_at is None:
        return Standing.WAITING
    return Standing.DUE if wallet.due_at <= at else Standing.SCHEDULED
