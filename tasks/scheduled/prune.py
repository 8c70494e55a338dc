"""jobs.prune: drops the bodies of old jobs, and what is known of old deliveries.

Keys and answers stay: no key is applied twice, or answered otherwise. What waits to be delivered stays as well.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from models.store.connection.session import transaction
from models.store.write import jobs
from models.store.write.events import deliveries
from tasks.apply.retries import RetryingApplier


def prune(applier: RetryingApplier, older_than_days: int, batch: int) -> int:
    """Prunes every job settled longer ago than that, `batch` jobs a transaction. Returns how many it pruned."""
    return _all(applier, lambda connection: jobs.prune(connection, older_than_days, batch), batch)


def prune_deliveries(applier: RetryingApplier, older_than_days: int, batch: int) -> int:
    """Forgets every delivery of a webhook that ended longer ago than that. Returns how many."""
    return _all(applier, lambda connection: deliveries.prune(connection, older_than_days, batch), batch)


def _all(applier: RetryingApplier, prune_some: Callable[[Connection], int], batch: int) -> int:
    def once() -> int:
        with transaction(applier.engine) as connection:
            return prune_some(connection)

    total = 0
    while True:
        pruned = applier.persist(once)
        total += pruned
        if pruned < batch:
            return total
