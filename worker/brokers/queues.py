"""The queues of a worker as kombu declares them: on RabbitMQ so that the broker drops no message."""

from __future__ import annotations

from typing import Any, Final

import structlog
from amqp.exceptions import ChannelError, PreconditionFailed
from kombu import Queue

from balance_client.routing import accepted, queue_arguments, undropped
from tasks.reminder import Reminder
from worker.settings.settings import Settings

_LOG: Final = structlog.get_logger(__name__)
_REMINDER: Final = Reminder()
_TYPE: Final = "x-queue-type"
_LIMIT: Final = "x-delivery-limit"
_NOT_FOUND: Final = 404


def arguments_of(queue: str, settings: Settings) -> dict[str, Any] | None:
    """How workers declare one of their queues when it is not there; None on Redis."""
    queue_type = settings.rabbitmq_queue_type if queue == settings.queue else "quorum"
    return queue_arguments(
        settings.broker_url, partition=queue in settings.every_partition_queue, queue_type=queue_type
    )


class JobQueue(Queue):
    """A queue that whoever needs it first has made; what is asked of it depends on the server's version."""

    def queue_declare(self, nowait: bool = False, passive: bool = False, channel: Any = None) -> Any:
        """Declares it, or finds it there in a way that keeps its messages.

        Raises PreconditionFailed, with what is there, when it may drop one. The channel stays open all the same.
        """
        channel = channel or self.channel
        if self.queue_arguments is None or passive:
            return super().queue_declare(nowait=nowait, passive=passive, channel=channel)
        declared, arguments = declare(channel.connection, self.name, self.queue_arguments)
        if _TYPE in self.queue_arguments and _TYPE not in arguments and _REMINDER.due(f"classic {self.name}", ""):
            _LOG.warning(
                "queue.classic", queue=self.name,
                next="its jobs are on one node: docs/deployment.md, RabbitMQ, says when that matters. To replicate "
                f"them: `balance-worker remake-queue {self.name}`, and publishers that do not declare it",
            )  # fmt: skip
        return declared


def is_there(connection: Any, name: str) -> bool:
    """Whether RabbitMQ has a queue of this name. `connection`: py-amqp's."""
    channel = connection.channel()
    try:
        channel.queue_declare(name, passive=True)
    except ChannelError as error:
        return bool(error.reply_code != _NOT_FOUND)
    channel.close()
    return True


def declare(connection: Any, name: str, wanted: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Declares a durable queue, as wanted when it is not there. Returns RabbitMQ's answer and the arguments it has.

    `connection` is py-amqp's. Raises what RabbitMQ says: PreconditionFailed when the queue is there in no way that is
    accepted, ResourceLocked when it is exclusive to somebody, AccessRefused when this user may not declare it.
    """
    refusals: list[PreconditionFailed] = []
    ways = [undropped(way, connection.server_properties) or {} for way in accepted(wanted)]
    # RabbitMQ 3 has no limit by itself. A publisher, or a node that was of version 4, may have said so there too.
    ways += [{**way, _LIMIT: -1} for way in ways if _TYPE in way and _LIMIT not in way]
    for arguments in ways:
        channel = connection.channel()  # a refusal closes it
        try:
            declared = channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)
        except PreconditionFailed as error:
            refusals.append(error)
            continue
        channel.close()
        return declared, arguments
    # It is either type, with something else about it: that is what there is to tell.
    raise next((error for error in refusals if _TYPE not in str(error)), refusals[0])
