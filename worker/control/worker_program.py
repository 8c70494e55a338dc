"""`celery -A worker.app worker`: Celery's, which destroys no job either."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any, Final

import structlog
from celery.apps import worker as apps

from worker.brokers.kept_queues import QueueKept
from worker.celery_app import App
from worker.encoding.places import broker_places, database_place
from worker.providers.registry import NotInstalled, check_installed

_LOG: Final = structlog.get_logger(__name__)


class Worker(apps.Worker):
    """With --purge Celery's would end in a traceback, having started half."""

    app: App
    hostname: str

    def on_after_init(self, purge: bool = False, **options: Any) -> None:  # type: ignore[override]  # the others pass
        if purge:
            raise QueueKept(self.app.runtime.settings.queue, "--purge")
        super().on_after_init(purge=purge, **options)

    def on_start(self) -> None:
        settings = self.app.runtime.settings
        if settings.tick_queue in self.app.amqp.queues.consume_from:
            try:
                check_installed(settings)
            except NotInstalled as error:
                sys.stderr.write(f"balance-worker: {error}\n")
                sys.exit(2)
        super().on_start()
        _LOG.info(
            "worker.starting", node=self.hostname, version=version("balance-worker"),
            broker=broker_places(settings.broker_url), database=database_place(settings.database_url),
            queues=sorted(self.app.amqp.queues.consume_from),
        )  # fmt: skip
