"""Scheduled work that becomes jobs of our own: found through an index, applied by the same path as every job.

Any number of beats and workers may sweep at once: each finding has a key, and a key is applied once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from sqlalchemy import Connection

from models.batch.outcome import StoredOutcome
from models.domain.deciding.commands import Job
from models.domain.outcome import Status
from models.store.connection.session import snapshot
from tasks.apply.retries import RetryingApplier


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
