"""The queue of one measurement: a name of its own, how full it is, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol
from uuid import uuid4

import redis
from kombu import Connection

_UNACKNOWLEDGED: Final = "unacked"  # the hash in which kombu's Redis transport keeps what workers hold


class Broker(Protocol):
    """One queue on one broker."""

    url: str
    queue: str

    def length(self) -> int:
        """Messages that wait; on Redis also those that workers hold."""


@contextmanager
def on_redis(url: str) -> Iterator[Broker]:
    """A queue on the run's own Valkey. Everything in it is removed before and after."""
    client = redis.Redis.from_url(url)
    client.flushdb()
    try:
        yield _Redis(url, client)
    finally:
        client.flushdb()
        client.close()


@contextmanager
def on_rabbitmq(url: str) -> Iterator[Broker]:
    """A queue on the machine's RabbitMQ. It and its companion are deleted; what Celery declares for all stays."""
    broker = _RabbitMQ(url)
    try:
        yield broker
    finally:
        broker.delete()


class _Redis:
    def __init__(self, url: str, client: Any) -> None:
        self.url = url
        self.queue = _fresh_name()
        self._client = client

    def length(self) -> int:
        return int(self._client.llen(self.queue)) + int(self._client.hlen(_UNACKNOWLEDGED))


class _RabbitMQ:
    def __init__(self, url: str) -> None:
        self.url = url
        self.queue = _fresh_name()

    def length(self) -> int:
        with Connection(self.url) as connection:
            channel: Any = connection.channel()
            return int(channel.queue_declare(self.queue, passive=True).message_count)

    def delete(self) -> None:
        with Connection(self.url) as connection:
            channel: Any = connection.channel()
            for name in (self.queue, f"{self.queue}.io"):
                channel.queue_delete(name)  # a queue that is not there counts as deleted


def _fresh_name() -> str:
    return f"balance.bench.{uuid4().hex}"
