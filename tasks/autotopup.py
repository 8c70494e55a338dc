"""autotopup.scan: fills wallets that have fallen below their minimum. One crossing makes one top-up, whoever looks."""

from __future__ import annotations

from models.contracts.catalogue import AUTO_TOP_UP
from models.domain.accounts import AccountKey
from models.domain.commands import Job, WalletAutoTopUp
from models.store import topups
from tasks.settling import Settler
from tasks.sweep import sweep, system_job


def scan(settler: Settler, batch: int) -> int:
    """Tops up every wallet that is due, `batch` wallets a transaction. Returns how many it topped up."""
    return sweep(settler, lambda connection: [_job(*wallet) for wallet in topups.due(connection, batch)])


def _job(account: AccountKey, crossing: int) -> Job:
    body = {"account": str(account), "crossing": crossing}
    return system_job(AUTO_TOP_UP, f"{crossing}:{account}", body, WalletAutoTopUp(account, crossing))
