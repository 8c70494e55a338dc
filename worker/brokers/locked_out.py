"""Publishers that cannot publish, as far as it can be seen from here.

RabbitMQ tells a publisher that declares the queue in another way, and nobody else. But Celery declares an exchange of
the queue's name first, and that stays.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from amqp.exceptions import ChannelError

_LOG: Final = structlog.get_logger(__name__)
_EVERY_S: Final = 60.0
_NOT_FOUND: Final = 404

MEANING: Final = (
    "Celery makes it for a publisher that declares the queue by itself. One that does not say quorum, as plain Celery "
    "does not, is told PRECONDITION_FAILED and can publish nothing."
)


def remedy(queue: str) -> str:
    """What to do about it, at the publisher's or here."""
    return (
        f'let it publish with queue=Queue("{queue}", no_declare=True) (docs/publishing.md), then delete the exchange; '
        "for one that cannot be changed set BALANCE_RABBITMQ_QUEUE_TYPE=classic, stop the workers, and run "
        f"`balance-worker remake-queue {queue}`"
    )


def has_exchange(connection: Any, name: str) -> bool:
    """Whether there is an exchange of this name. `connection`: py-amqp's, or kombu's."""
    channel = connection.channel()
    try:
        channel.exchange_declare(name, "direct", passive=True)
    except ChannelError as error:
        return bool(error.reply_code != _NOT_FOUND)  # another type is there too
    channel.close()
    return True


class LockedOut:
    """Those of the queue of money jobs. Looks once a minute, and says it once."""

    def __init__(self, consumer: Any, queue: str) -> None:
        self._consumer, self._queue = consumer, queue
        self._said = False
        self._timer: Any = None

    def watch(self) -> None:
        """On each new connection to RabbitMQ, when the queues are there."""
        is_quorum = bool(self._consumer.unusable.arguments.get(self._queue))
        if not is_quorum or self._said:
            return
        if has_exchange(self._consumer.connection.connection, self._queue):
            self._said = True
            _LOG.warning("publisher.locked_out", exchange=self._queue, error=MEANING, next=remedy(self._queue))
        else:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._consumer.timer.call_after(_EVERY_S, self.watch)
