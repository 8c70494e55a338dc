"""jobs.prune: drops the bodies of old jobs. Keys and answers stay: no key is applied twice, or answered otherwise."""

from __future__ import annotations

from models.store.connection.session import transaction
from models.store.write import jobs
from tasks.apply.retries import RetryingApplier


def prune(applier: RetryingApplier, older_than_days: int, batch: int) -> int:
    """Prunes every job settled longer ago than that, `batch` jobs a transaction. Returns how many it pruned."""

    def once() -> int:
        with transaction(applier.engine) as connection:
            return jobs.prune(connection, older_than_days, batch)

    total = 0
    while True:
        pruned = applier.persist(once)
        total += pruned
        if pruned < batch:
            return total
