"""How much waits in the queues and since when, asked of the broker as often as somebody wants to know.

Over a connection of its own, on which nothing waits longer than its time: neither the path nor who looks waits for a
broker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from amqp.exceptions import NotFound
from kombu import Connection

from balance_client.publishing.result_reader import broker_connection, connect
from worker.brokers.redis.partitions.holders import holders
from worker.encoding.published import published_at
from worker.ledger_clock import LEDGER_CLOCK
from worker.settings.settings import Settings

_TIMEOUT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class QueueNow:
    """A queue that is there. `messages`: those in nobody's hand.

    `oldest_s`: since when the first of them waits, 0 when there is none. It is `known` when the message says that it
    was published then; else it is since when it was first seen here. None: RabbitMQ shows nobody a message that it
    does not hand over.
    `consumers`: of RabbitMQ. `holder`: of a partition on Redis, the worker that has its lease; None: nobody.
    """

    queue: str
    messages: int
    oldest_s: float | None = None
    oldest_known: bool = False
    consumers: int | None = None
    holder: str | None = None


class QueueWatch:
    """Of one deployment. Belongs to one thread."""

    def __init__(self, settings: Settings, queues: Sequence[str]) -> None:
        self._settings, self._queues = settings, queues
        self._connection: Connection | None = None
        self._first: dict[str, tuple[object, float]] = {}  # by queue: its first message, and since when it is that

    def look(self) -> list[QueueNow]:
        """Raises whatever the broker, or the way to it, has against it; `close` it then."""
        connection = self._connection
        if connection is None:
            connection = broker_connection(str(self._settings.broker_url), _TIMEOUT_S, self._settings.tls)
            self._connection = connection
            connect(connection)
        if self._settings.broker_kind == "redis":
            return [*self._of_redis(connection.default_channel)]
        return [*self._of_rabbitmq(connection)]

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is given up, whatever it has to say
                connection.collect(_TIMEOUT_S)

    def _of_redis(self, channel: Any) -> Iterator[QueueNow]:
        partitions = {*self._settings.partition_queues}
        held_by = holders(channel, [queue for queue in self._queues if queue in partitions])
        for queue in self._queues:
            messages = channel._size(queue)
            last = channel.client.lrange(queue, -1, -1)  # what is taken next; a command that workers have a right to
            oldest_s, known = self._oldest(queue, last[0] if last else None)
            yield QueueNow(queue, messages, oldest_s, known, holder=held_by.get(queue))

    def _of_rabbitmq(self, connection: Connection) -> Iterator[QueueNow]:
        for queue in self._queues:
            opened: Any = connection.channel()
            with closing(opened) as channel:  # a queue that is not there closes it
                try:
                    declared = channel.queue_declare(queue=queue, passive=True)
                except NotFound:
                    continue
            yield QueueNow(queue, declared.message_count, consumers=declared.consumer_count)

    def _oldest(self, queue: str, raw: bytes | str | None) -> tuple[float, bool]:
        """Since when the first message waits, and whether it says so itself."""
        if raw is None:
            self._first.pop(queue, None)
            return 0.0, True
        tag, published = _told(raw)
        if queue not in self._first or self._first[queue][0] != tag:
            self._first[queue] = tag, monotonic()
        seen_s = monotonic() - self._first[queue][1]
        if published is None:
            return seen_s, False
        return max(seen_s, LEDGER_CLOCK.now().timestamp() - published), True


def _told(raw: bytes | str) -> tuple[object, float | None]:
    """What tells a message from others, and when it says that it was published."""
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return hash(raw), None  # it is put aside as garbage when its turn comes
    if not isinstance(message, dict):
        return hash(raw), None
    properties = message.get("properties")
    tag = properties.get("delivery_tag") if isinstance(properties, dict) else None
    return tag or hash(raw), published_at(message.get("headers"), properties)
