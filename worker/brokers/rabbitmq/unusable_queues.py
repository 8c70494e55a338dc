"""Queues on RabbitMQ that a worker was told to serve and cannot as they are: the others are served meanwhile.

Each is said at once and once a minute, looked at every few seconds, and consumed when it has been mended.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from amqp.exceptions import ChannelError

from tasks.reminder import Reminder
from worker.brokers.queues import JobQueue, declare, is_there
from worker.brokers.refusals import next_step

_LOG: Final = structlog.get_logger(__name__)
_EVERY_S: Final = 2.0


class UnusableQueues:
    """Those of one consumer, for as long as it lives, also across its connections."""

    def __init__(self, consumer: Any, broker_url: str) -> None:
        self._consumer, self._broker_url = consumer, broker_url
        self._reminder = Reminder()
        self._timer: Any = None
        self.why: dict[str, str] = {}  # what RabbitMQ says, by queue
        self.arguments: dict[str, dict[str, Any]] = {}  # of the others, by queue

    def sift(self) -> None:
        """On a new connection, before anything is consumed: leave out what cannot be."""
        queues = self._consumer.app.amqp.queues
        for name in {*queues.consume_from, *self.why}:
            if self.usable(name):
                queues.select_add(queues[name])
            else:
                queues.deselect([name])

    def usable(self, name: str) -> bool:
        """Whether this queue is there, or is now, and loses nothing. If not that is said, and looked at again later."""
        queue = self._consumer.app.amqp.queues.get(name)
        if not isinstance(queue, JobQueue) or queue.queue_arguments is None:
            return True
        connection = self._consumer.connection.connection
        is_new = name not in self.arguments and not is_there(connection, name)
        try:
            _, arguments = declare(connection, name, queue.queue_arguments)
        except ChannelError as error:
            self.why[name] = error.reply_text or str(error)
            self.arguments.pop(name, None)
            self._tell(queue, error)
            self._look_later()
            return False
        self.why.pop(name, None)
        self.arguments[name] = arguments
        if is_new and arguments:
            _LOG.info(
                "queue.made", queue=name, arguments=arguments,
                next="publishers must not declare it: RabbitMQ refuses those that say otherwise, docs/publishing.md",
            )  # fmt: skip
        return True

    def leave(self, name: str) -> None:
        """Told by remote control: serve this one no longer, mended or not."""
        self.why.pop(name, None)

    def _look(self) -> None:
        for name in [*self.why]:
            if self.usable(name):
                _LOG.info("queue.usable", queue=name)
                self._consumer.add_task_queue(name)

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._consumer.timer.call_after(_EVERY_S, self._look)

    def _tell(self, queue: JobQueue, error: ChannelError) -> None:
        if self._reminder.due(f"queue.unusable {queue.name}", self.why[queue.name]):
            wanted = ", ".join(f"{name} {value}" for name, value in (queue.queue_arguments or {}).items())
            _LOG.error(
                "queue.unusable", queue=queue.name, found=self.why[queue.name],
                wanted=f"durable, {wanted}".removesuffix(", "),
                next=next_step(error, self._broker_url, queue.name),
            )  # fmt: skip
