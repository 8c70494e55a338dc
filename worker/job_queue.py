"""The queues of a worker as kombu declares them: on RabbitMQ so that the broker drops no message."""

from __future__ import annotations

from typing import Any, Final

import structlog
from amqp.exceptions import PreconditionFailed
from kombu import Queue

from tasks.queues import undropped

_LOG: Final = structlog.get_logger(__name__)


class JobQueue(Queue):
    """A queue whose arguments depend on the server's version, which is known once it is connected."""

    def queue_declare(self, nowait: bool = False, passive: bool = False, channel: Any = None) -> Any:
        """Declares it. Raises what the broker says when the queue is there with other arguments."""
        channel = channel or self.channel
        server = getattr(channel.connection, "server_properties", None)  # RabbitMQ's alone
        self.queue_arguments = undropped(self.queue_arguments, server)
        try:
            return super().queue_declare(nowait=nowait, passive=passive, channel=channel)
        except PreconditionFailed as error:
            _LOG.error(
                "queue.declared_otherwise", queue=self.name, error=str(error),
                next="drain and delete the queue, then start the worker again: docs/deployment.md says why",
            )  # fmt: skip
            raise
