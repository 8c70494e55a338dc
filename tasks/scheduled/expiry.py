"""credits.expire: what time does to credits becomes entries, once for each: grants begin and expire, holds run out.

Nothing waits for it: every answer counts by time, whether or not the sweep has run.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from models.contracts.catalogue import EXPIRE_GRANT, EXPIRE_HOLD, OPEN_GRANT
from models.domain.accounts import AccountKey
from models.domain.deciding.commands import GrantExpire, GrantOpen, HoldExpire, Job
from models.store.write import grants, holds
from tasks.apply.retries import RetryingApplier
from tasks.scheduled.sweep import sweep, system_job


def expire(applier: RetryingApplier, batch: int) -> int:
    """Does what time has brought, `batch` grants or holds a transaction. Returns how many jobs that took.

    Grants are written off when the grace is over: until then a late debit may use what was there when it happened.
    """
    grace = applier.limits.expiry_grace

    def begun(connection: Connection) -> list[Job]:
        return [open_job(*found) for found in grants.begun(connection, batch)]

    def run_out(connection: Connection) -> list[Job]:
        return [hold_job(*found) for found in holds.expired(connection, batch)]

    def over(connection: Connection) -> list[Job]:
        return [expire_job(*found) for found in grants.expired(connection, batch, grace)]

    return sum(sweep(applier, find) for find in (begun, run_out, over))


def expire_job(account: AccountKey, grant_id: UUID, seq: int) -> Job:
    """The key names the account's last entry: what comes back to an expired grant later is written off later."""
    body = {"account": str(account), "grant_id": str(grant_id), "seq": seq}
    return system_job(EXPIRE_GRANT, f"{grant_id}:{seq}", body, GrantExpire(account, grant_id))


def open_job(account: AccountKey, grant_id: UUID, seq: int) -> Job:
    body = {"account": str(account), "grant_id": str(grant_id), "seq": seq}
    return system_job(OPEN_GRANT, f"{grant_id}:{seq}", body, GrantOpen(account, grant_id))


def hold_job(account: AccountKey, hold_id: UUID) -> Job:
    body = {"account": str(account), "hold_id": str(hold_id)}
    return system_job(EXPIRE_HOLD, str(hold_id), body, HoldExpire(account, hold_id))
