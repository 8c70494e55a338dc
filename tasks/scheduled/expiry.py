"""credits.expire: what time does to credits becomes entries, once for each: grants begin and expire, holds run out.
Before a grant expires it is told once that it will.

Nothing waits for it: every answer counts by time, whether or not the sweep has run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from models.batch.system_jobs import expire_job, hold_job, open_job, warn_job
from models.domain.deciding.commands import Job
from models.store.write import grants, holds
from tasks.apply.retries import RetryingApplier
from tasks.scheduled.sweep import sweep

_NEVER: Final = timedelta(0)


def expire(applier: RetryingApplier, batch: int, notice: timedelta = _NEVER) -> int:
    """Does what time has brought, `batch` grants or holds a transaction. Returns how many jobs that took.

    Grants are written off when the grace is over: until then a late debit may use what was there when it happened.
    `notice`: how long before it expires a grant is told of; 0: never.
    """
    grace = applier.limits.expiry_grace

    def begun(connection: Connection) -> list[Job]:
        return [open_job(*found) for found in grants.begun(connection, batch)]

    def run_out(connection: Connection) -> list[Job]:
        return [hold_job(*found) for found in holds.expired(connection, batch)]

    def over(connection: Connection) -> list[Job]:
        return [expire_job(*found) for found in grants.expired(connection, batch, grace)]

    def soon_over(connection: Connection) -> list[Job]:
        return [warn_job(*found) for found in grants.expiring(connection, batch, notice)]

    looks = (begun, run_out, over, *((soon_over,) if notice else ()))
    return sum(sweep(applier, find) for find in looks)
