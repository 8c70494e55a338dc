"""Jobs that we make ourselves when something comes due. Each finding has a key, and a key is applied once."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from models.contracts.catalogue import EXPIRE_GRANT, EXPIRE_HOLD, OPEN_GRANT, WARN_GRANT
from models.domain.accounts import AccountKey
from models.domain.deciding.commands import (
    AUTO_TOP_UP,
    SYSTEM_PRODUCER,
    Command,
    GrantExpire,
    GrantOpen,
    GrantWarn,
    HoldExpire,
    Job,
)
from models.domain.deciding.top_up_commands import TopUpLook
from models.domain.idempotency import canonical, fingerprint


def system_job(name: str, subject: str, body: dict[str, Any], command: Command, *, key: str | None = None) -> Job:
    """A job that we make ourselves. Its key, unless given, is its name and its subject, hashed when it is long."""
    if len(subject) > 200:
        subject = hashlib.sha256(subject.encode()).hexdigest()
    meaning = canonical(body)
    return Job(
        name=name,
        producer=SYSTEM_PRODUCER,
        key=key or f"{name}:{subject}",
        meaning=meaning,
        fingerprint=fingerprint(name, meaning),
        occurred_at=None,
        metadata={},
        command=command,
    )


def expire_job(account: AccountKey, grant_id: UUID, seq: int) -> Job:
    """The key names the account's last entry: what comes back to an expired grant later is written off later."""
    body = {"account": str(account), "grant_id": str(grant_id), "seq": seq}
    return system_job(EXPIRE_GRANT, f"{grant_id}:{seq}", body, GrantExpire(account, grant_id))


def open_job(account: AccountKey, grant_id: UUID, seq: int) -> Job:
    body = {"account": str(account), "grant_id": str(grant_id), "seq": seq}
    return system_job(OPEN_GRANT, f"{grant_id}:{seq}", body, GrantOpen(account, grant_id))


def warn_job(account: AccountKey, grant_id: UUID, seq: int) -> Job:
    """Keyed like the expiry: one that was used up when it was looked at may have something left again."""
    body = {"account": str(account), "grant_id": str(grant_id), "seq": seq}
    return system_job(WARN_GRANT, f"{grant_id}:{seq}", body, GrantWarn(account, grant_id))


def hold_job(account: AccountKey, hold_id: UUID) -> Job:
    body = {"account": str(account), "hold_id": str(hold_id)}
    return system_job(EXPIRE_HOLD, str(hold_id), body, HoldExpire(account, hold_id))


def look_job(account: AccountKey, crossing: int) -> Job:
    body = {"account": str(account), "crossing": crossing}
    return system_job(AUTO_TOP_UP, f"{crossing}:{account}", body, TopUpLook(account, crossing))
