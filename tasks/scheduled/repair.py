"""accounts.repair: a wallet that broke a rule before the rule was kept is set right, by one more entry.

What is right follows from the wallet's entries alone (models/domain/credits/replay.py).
An operator asks for it and says why.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from models.batch.system_jobs import system_job
from models.contracts.catalogue import REPAIR
from models.domain.accounts import Account
from models.domain.deciding.commands import AccountRepair, Job
from models.domain.evidence.finding import Finding
from models.store.read.credits import Credits, WrongGrant


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """A wallet as it is, what its entries make right, and the job that would set it right."""

    account: Account
    findings: tuple[Finding, ...]
    right_balance: int  # units, as the rules make it of the entries
    grants: tuple[WrongGrant, ...]
    job: Job | None  # None: there is nothing that an entry could set right

    @property
    def right(self) -> bool:
        """Whether nothing is wrong at all."""
        return self.job is None and not self.findings

    @property
    def hopeless(self) -> bool:
        """Whether something is wrong that no entry can set right."""
        return self.job is None and not self.right

    @property
    def correction(self) -> int:
        """Units by which the balance has to change."""
        return self.right_balance - self.account.balance


def repair_plan(account: Account, credits: Credits, reason: str, operator: str) -> RepairPlan:
    """What there is to set right in a wallet. `credits`: the wallet with all its entries applied."""
    job = repair_job(account, credits, reason, operator)
    return RepairPlan(account, tuple(credits.findings()), credits.replay.balance, credits.differing_grants(), job)


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
        "grants": {str(grant_id): asdict(grant.units) for grant_id, grant in grants.items()},
        "reason": reason,
        "operator": operator,
    }
    # The key names the last entry: when another was written meanwhile, it is another repair.
    return system_job(REPAIR, f"{account.key}:{account.seq}", body, command)
