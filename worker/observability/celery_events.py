"""Events for Flower, of all threads, sent while the broker takes them: for none of them does the worker stand still."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from celery.app import events
from celery.events.dispatcher import EventDispatcher

from worker.brokers.retrying import ONCE_MORE

_BUFFERED_MAX: Final = 1_000
_TOGETHER: Final = 600  # events in one message: those of a usual batch. Celery's 24 would be a message for eight jobs


class Dispatcher(EventDispatcher):
    """Celery's, but it gives up on a broker that is away, and loses no event to another thread or connection.

    Celery sends a heartbeat from the event loop and tries until it is sent: with the broker gone or its link half-open
    the worker would answer nobody and could not be stopped. Given up here, the event loop goes on, notices the same,
    and connects anew as it does for messages.

    Celery gathers the events of tasks in a list, sends the list, and empties it: what another thread of the pool has
    added meanwhile is gone, and so is all of it when it could not be sent. And who holds on to the dispatcher of an
    earlier connection, as a task does that began under it, tells it to nobody.
    """

    producer: Any
    mutex: Any  # of whoever sends
    _group_buffer: dict[str, list[Any]]
    _publish: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "buffer_limit": _TOGETHER})
        # What could not be sent waits for the next connection; Celery would keep the heartbeats of a whole outage.
        self._outbound_buffer: deque[Any] = deque(maxlen=_BUFFERED_MAX)

    def publish(self, *args: Any, retry_policy: dict[str, Any] | None = None, **options: Any) -> Any:
        return super().publish(*args, retry_policy=retry_policy or ONCE_MORE, **options)

    def flush(self, errors: bool = True, groups: bool = True) -> None:
        """Sends all that waits, in its order, as long as the broker takes it. What it does not take waits on."""
        with self.mutex:
            for group, gathered in [*self._group_buffer.items()]:
                if batch := gathered[:]:
                    self._outbound_buffer.append((batch, f"{group}.multi", None))
                    del gathered[: len(batch)]  # and not what another thread has added meanwhile
            # Without a producer this is closed, and has the same buffers as that of the next connection.
            while self.producer is not None and self._outbound_buffer:
                event, routing_key, _ = self._outbound_buffer.popleft()
                self._publish(event, self.producer, routing_key)  # which swallows errors and appends to the buffer
                if self._outbound_buffer and self._outbound_buffer[-1][0] is event:
                    return

    def extend_buffer(self, other: Any) -> None:
        """Takes the place of another dispatcher: what that one is still given is sent by this one."""
        self.mutex, self._outbound_buffer, self._group_buffer = other.mutex, other._outbound_buffer, other._group_buffer

    def close(self) -> None:
        self.producer = None  # Celery releases the mutex as well, whoever holds it


class Events(events.Events):
    """What `app.events` is."""

    dispatcher_cls = "worker.observability.celery_events:Dispatcher"


def of_tasks(dispatcher: EventDispatcher | None) -> EventDispatcher | None:
    """The dispatcher, if anybody wants events of tasks: one that drops them all would cost a job a twentieth."""
    wanted = dispatcher is not None and dispatcher.enabled and (not dispatcher.groups or "task" in dispatcher.groups)
    return dispatcher if wanted else None
