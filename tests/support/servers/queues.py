"""Queues from outside: what lies in them, and leaving none behind on a broker that tests share."""

import contextlib
from collections.abc import Iterator
from typing import Any

from kombu import Connection, Exchange, Queue
from kombu.message import Message


def taken(url: str, queue: str) -> Iterator[Message]:
    """The messages of the queue, oldest first, as a consumer of kombu's gets them; they are gone then."""
    with Connection(url) as connection:
        bound = Queue(queue, Exchange(""), routing_key=queue)(connection.default_channel)
        while (message := bound.get(no_ack=True)) is not None:
            yield message


@contextlib.contextmanager
def removed_after(url: str, queue: str) -> Iterator[str]:
    """The RabbitMQ URL; afterwards the queue is gone."""
    yield url
    with Connection(url) as connection:
        channel: Any = connection.channel()
        channel.queue_delete(queue)
