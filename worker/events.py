"""Events for Flower, sent while the broker takes them: for none of them does the worker stand still."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from celery.app import events
from celery.events.dispatcher import EventDispatcher

_ONCE_MORE: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_BUFFERED_MAX: Final = 1_000


class Dispatcher(EventDispatcher):
    """Celery's, but it gives up on a broker that is away.

    Celery sends a heartbeat from the event loop and tries until it is sent: with the broker gone or its link half-open
    the worker would answer nobody and could not be stopped. Given up here, the event loop goes on, notices the same,
    and connects anew as it does for messages.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What could not be sent waits for the next connection; Celery would keep the heartbeats of a whole outage.
        self._outbound_buffer: deque[Any] = deque(maxlen=_BUFFERED_MAX)

    def publish(self, *args: Any, retry_policy: dict[str, Any] | None = None, **options: Any) -> Any:
        return super().publish(*args, retry_policy=retry_policy or _ONCE_MORE, **options)


class Events(events.Events):
    """What `app.events` is."""

    dispatcher_cls = "worker.events:Dispatcher"


def of_tasks(dispatcher: EventDispatcher | None) -> EventDispatcher | None:
    """The dispatcher, if anybody wants events of tasks: one that drops them all would cost a job a twentieth."""
    wanted = dispatcher is not None and dispatcher.enabled and (not dispatcher.groups or "task" in dispatcher.groups)
    return dispatcher if wanted else None
