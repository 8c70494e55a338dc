"""accounts.repair: a wallet that broke a rule before the rule was kept is set right, by one more entry.

What is right follows from the wallet's entries alone (models/domain/credits/replay.py).
An operator asks for it and says why.
"""

from __future__ import annotations

from models.contracts.catalogue import REPAIR
from models.domain.accounts import Account
from models.domain.deciding.commands import AccountRepair, Job
from models.store.read.credits import Credits, told
from tasks.scheduled.sweep import system_job


def follows_its_entries(account: Account, credits: Credits) -> bool:
    """Whether the account's row is what its last entry left. Where it is not, an entry would only go on from there."""
    last = credits.last
    shown = (account.seq, account.balance, account.head)
    return shown == ((0, 0, b"") if last is None else (last.seq, last.balance_after, last.hash))


def repair_job(account: Account, credits: Credits, reason: str, operator: str) -> Job | None:
    """The job that sets the wallet right, as of its last entry; None when there is nothing to set right."""
    right, grants = credits.replay, credits.wrong_grants()
    draws = tuple(
        (grant_id, units)
        for grant_id, grant in right.grants.items()
        if (units := credits.left.get(grant_id, 0) - grant.remaining)
    )
    if right.balance == account.balance and not (right.problems or grants or draws):
        return None
    command = AccountRepair(account.key, account.seq, right.balance, grants, draws, reason, operator)
    body = {
        "account": str(account.key),
        "seq": account.seq,
        "balance": right.balance,
        "grants": {str(grant_id): told(grant) for grant_id, grant in grants.items()},
        "reason": reason,
        "operator": operator,
    }
    # The key names the last entry: when another was written meanwhile, it is another repair.
    return system_job(REPAIR, f"{account.key}:{account.seq}", body, command)
