"""Scheduled work that becomes jobs of our own: found through an index, applied by the same path as every job.

Any number of beats and workers may sweep at once: each finding has a key, and a key is applied once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from typing import Any

from sqlalchemy import Connection

from models.domain.deciding.commands import SYSTEM_PRODUCER, Command, Job
from models.domain.idempotency import canonical, fingerprint
from models.domain.outcome import Status
from models.store.connection.session import snapshot
from tasks.apply.outcome import StoredOutcome
from tasks.apply.retries import RetryingApplier


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


def sweep(
    applier: RetryingApplier,
    find: Callable[[Connection], list[Job]],
    once: Callable[[Job], Hashable] = lambda job: job.key,
) -> int:
    """Settles what `find` finds until it finds nothing new. Returns how many jobs were applied, replays not counted.

    `once`: what a sweep takes once, when what it does may be found again at once; jobs of one page are all taken.
    """
    applied, seen = 0, set[Hashable]()
    while jobs := [job for job in applier.persist(lambda: _look(applier, find)) if once(job) not in seen]:
        seen.update(once(job) for job in jobs)
        for outcome in applier.apply(jobs):
            applied += isinstance(outcome, StoredOutcome) and outcome.status is Status.APPLIED and not outcome.replayed
    return applied


def _look(applier: RetryingApplier, find: Callable[[Connection], list[Job]]) -> list[Job]:
    with snapshot(applier.engine) as connection:
        return find(connection)
