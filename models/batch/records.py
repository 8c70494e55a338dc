"""What is known of jobs that were answered before, and what is kept of those that are answered now."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from models.domain.deciding.commands import Job
from models.domain.events import EventType
from models.domain.outcome import Code, Status
from models.domain.value import value

Identity = tuple[str, str]
"""(producer, idempotency key)"""


@value(frozen=True, slots=True)
class StoredJob:
    id: UUID
    name: str
    fingerprint: bytes
    status: Status
    code: Code
    body: str | None  # canonical JSON of what was asked, and the publisher's note; None once pruned
    outcome: str  # the document, JSON


@value(frozen=True, slots=True)
class SettledJob:
    """A job with its answer, about to be written."""

    job: Job
    account_id: int | None  # where it wrote no entry: the entry says it otherwise, and need not say it twice
    status: Status
    code: Code
    outcome: str
    settled_at: datetime
    events: int | None  # told, by bits: models/domain/events.py; None: settled before there were records


@value(frozen=True, slots=True)
class Told:
    """An event. `seq`: the account's last entry then. `data`: JSON of what the job's answer does not say."""

    type: EventType
    job_id: UUID
    account_id: int | None = None
    seq: int | None = None
    data: str | None = None
