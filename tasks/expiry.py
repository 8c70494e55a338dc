"""credits.expire: takes what is left of expired grants out of the balances, once for each grant."""

from __future__ import annotations

from uuid import UUID

from models.contracts.catalogue import EXPIRE_GRANT
from models.domain.accounts import AccountKey
from models.domain.commands import GrantExpire, Job
from models.store import grants
from tasks.settling import Settler
from tasks.sweep import sweep, system_job


def expire(settler: Settler, batch: int) -> int:
    """Expires every grant whose time is over, `batch` grants a transaction. Returns how many it expired."""
    return sweep(settler, lambda connection: [_job(*grant) for grant in grants.expired(connection, batch)])


def _job(account: AccountKey, grant_id: UUID) -> Job:
    body = {"account": str(account), "grant_id": str(grant_id)}
    return system_job(EXPIRE_GRANT, str(grant_id), body, GrantExpire(account, grant_id))
