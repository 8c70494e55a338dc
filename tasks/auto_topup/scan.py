"""autotopup.scan: looks at the wallets whose time has come and fills those that are due. A look is taken once."""

from __future__ import annotations

from models.domain.accounts import AccountKey
from models.domain.deciding.commands import AUTO_TOP_UP, Job, TopUpLook
from models.store.write import policies
from tasks.apply.retries import RetryingApplier
from tasks.scheduled.sweep import sweep, system_job


def scan(applier: RetryingApplier, batch: int) -> int:
    """Takes every look that is to be taken, `batch` wallets a transaction. Returns how many it took."""
    return sweep(applier, lambda connection: [look_job(*wallet) for wallet in policies.due(connection, batch)])


def look_job(account: AccountKey, crossing: int) -> Job:
    body = {"account": str(account), "crossing": crossing}
    return system_job(AUTO_TOP_UP, f"{crossing}:{account}", body, TopUpLook(account, crossing))
