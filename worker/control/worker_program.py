"""`celery -A worker.app worker`: Celery's, which destroys no job either."""

from __future__ import annotations

from typing import Any

from celery.apps import worker as apps

from worker.brokers.kept_queues import QueueKept
from worker.celery_app import App


class Worker(apps.Worker):
    """With --purge Celery's would end in a traceback, having started half."""

    app: App

    def on_after_init(self, purge: bool = False, **options: Any) -> None:  # type: ignore[override]  # the others pass
        if purge:
            raise QueueKept(self.app.runtime.settings.queue, "--purge")
        super().on_after_init(purge=purge, **options)
