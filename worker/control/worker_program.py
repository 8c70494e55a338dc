"""`celery -A worker.app worker`: Celery's, which destroys no job either."""

from __future__ import annotations

from typing import Any

from celery.apps import worker as apps

from worker.brokers.kept_queues import QueueKept
from worker.runtime import RUNTIME


class Worker(apps.Worker):
    """With --purge Celery's would end in a traceback, having started half."""

    def on_after_init(self, purge: bool = False, **options: Any) -> None:  # type: ignore[override]  # the others pass
        if purge:
            raise QueueKept(RUNTIME.settings.queue, "--purge")
        super().on_after_init(purge=purge, **options)
