"""Queues that nobody empties by way of this program: their messages are jobs that were accepted.

`celery purge`, `celery amqp queue.purge`, `app.control.purge()` and `celery worker --purge` all end in one of these
calls of a channel. What the broker's own tools do is out of reach.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from click import ClickException


class QueueKept(ClickException):
    """Celery's commands say it in one line. No error of a channel: to `celery purge` that is nothing purged."""

    def __init__(self, queue: str, wanted: str) -> None:
        super().__init__(
            f"{wanted} would destroy accepted jobs: {queue} is a queue of money jobs, and nothing was removed from it. "
            "Let a worker apply them (a job that cannot be applied becomes a dead letter: `balance-worker dead-letters "
            "list`); to throw them away all the same use the broker's own tools. Ticks may be purged: -Q with the "
            "name of the I/O queue"
        )


class KeepsQueues:
    """Comes before a channel of kombu's, and asks it which queues are kept."""

    kept_queues: Collection[str] = ()

    def queue_purge(self, queue: str = "", *args: Any, **kwargs: Any) -> Any:
        self._keep(queue, "purging")
        return super().queue_purge(queue, *args, **kwargs)  # type: ignore[misc]  # the channel's

    def queue_delete(self, queue: str = "", *args: Any, **kwargs: Any) -> Any:
        self._keep(queue, "deleting the queue")
        return super().queue_delete(queue, *args, **kwargs)  # type: ignore[misc]  # the channel's

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        if no_ack:
            self._keep(queue, "taking a message without acknowledging it later")
        return super().basic_get(queue, no_ack=no_ack, **kwargs)  # type: ignore[misc]  # the channel's

    def _keep(self, queue: str, wanted: str) -> None:
        if queue in self.kept_queues:
            raise QueueKept(queue, wanted)
