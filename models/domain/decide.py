"""One job, one decision. Pure: the same job, account and facts always give the same answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from models.domain import apps, commands, reversals, users, wallet_terms, wallets
from models.domain.accounts import Account
from models.domain.commands import Job
from models.domain.decision import Decision, Facts
from models.domain.outcome import Refusal

_DECIDERS: Final[dict[type, Callable[[Any, Account | None, Job, Facts], Decision | Refusal]]] = {
    commands.UserUpsert: users.upsert,
    commands.UserCorrect: users.correct,
    commands.WalletCreate: wallet_terms.create,
    commands.WalletUpdate: wallet_terms.update,
    commands.WalletTerminate: wallet_terms.terminate,
    commands.WalletTopUp: wallets.top_up,
    commands.WalletDebit: wallets.debit,
    commands.WalletAutoTopUp: wallets.auto_top_up,
    commands.GrantExpire: wallets.expire,
    commands.AppUpsert: apps.upsert,
    commands.AppSet: apps.set_balance,
    commands.EntryReverse: reversals.reverse,
}


def decide(job: Job, account: Account | None, facts: Facts) -> Decision | Refusal:
    """What job does to account, which is None when there is no such account."""
    if isinstance(job.command, Refusal):
        return job.command
    return _DECIDERS[type(job.command)](job.command, account, job, facts)
