"""accounts.set_alerts: the levels below which an account's owner wants to be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from models.domain import money
from models.domain.accounts import Account, Kind, WalletStatus
from models.domain.deciding.commands import AlertsSet, Job
from models.domain.deciding.decision import Decision, DecisionContext
from models.domain.jobs.wallets import NOT_FOUND, unstorable
from models.domain.outcome import Code, Refusal

_NOT_FOUND: Final = {
    Kind.USER: Refusal(Code.USER_NOT_FOUND, "User not found"),
    Kind.WALLET: NOT_FOUND,
    Kind.APP: Refusal(Code.APP_NOT_FOUND, "The app is not installed in this store"),
}


def set_alerts(command: AlertsSet, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Replaces the thresholds. Those that are new and passed already are told at once (notices.py)."""
    if account is None:
        return _NOT_FOUND[command.target.kind]
    if account.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    try:
        units = {money.to_units(threshold, account.scale) for threshold in command.thresholds}
    except (money.ScaleExceeded, money.Overflow) as error:
        return unstorable(error, "thresholds", account.scale)
    low_at = tuple(sorted(units, reverse=True)) or None
    if low_at == account.low_at:
        return Decision(account, Code.UNCHANGED)
    return Decision(replace(account, low_at=low_at, updated_at=context.now))
