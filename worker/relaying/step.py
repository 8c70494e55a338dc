"""The part of Celery's worker that runs the event service: of the worker that takes from the I/O queue."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

from worker.relaying.service import EventService


class RelayStep(bootsteps.StartStopStep):
    """Starts with the worker and stops with it, whatever becomes of the broker of jobs meanwhile."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **_: Any) -> None:
        super().__init__(parent)
        self._service: EventService | None = None

    def include_if(self, parent: Any) -> bool:
        return parent.app.runtime.settings.tick_queue in parent.app.amqp.queues.consume_from

    def start(self, parent: Any) -> None:
        self._service = parent.app.runtime.event_service()
        self._service.start()

    def stop(self, parent: Any) -> None:
        if self._service is not None:
            self._service.stop()
            self._service = None

    terminate = stop
