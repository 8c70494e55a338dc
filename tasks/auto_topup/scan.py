"""autotopup.scan: looks at the accounts whose time has come and tops up those that are due. A look is taken once.

A scan looks at an account once: without a cooldown one that needs a million small top-ups would keep it for ever. Such
an account is due since its last look, so that those which wait longer come first in the next scan.
"""

from __future__ import annotations

from sqlalchemy import Connection

from models.batch.system_jobs import look_job
from models.domain.accounts import AccountKey
from models.domain.deciding.commands import Job
from models.domain.deciding.top_up_commands import TopUpLook
from models.store.write.top_ups import policies, switches
from tasks.apply.retries import RetryingApplier
from tasks.scheduled.sweep import sweep


def scan(applier: RetryingApplier, batch: int) -> int:
    """Takes every look that is to be taken, `batch` wallets a transaction. Returns how many it took."""
    return sweep(applier, lambda connection: _due(applier, connection, batch), once=_account)


def _due(applier: RetryingApplier, connection: Connection, batch: int) -> list[Job]:
    """The looks to be taken; none while charging is paused: they are taken when it goes on."""
    if not applier.limits.charging or not switches.is_on(connection, switches.CHARGING):
        return []
    return [look_job(*found) for found in policies.due(connection, batch)]


def _account(job: Job) -> AccountKey:
    assert isinstance(job.command, TopUpLook)
    return job.command.target
