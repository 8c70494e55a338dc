"""Is a job still waiting: a bounded look into the queues, which takes nothing out of them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from amqp.exceptions import AMQPError
from kombu.exceptions import OperationalError
from redis import RedisError

from balance_client.publishing.result_reader import broker_connection
from models.contracts.wire.envelope import DEFAULT_PRODUCER
from worker.brokers.queues import is_there
from worker.brokers.redis.looking import in_hand, waiting
from worker.brokers.refusals import next_step
from worker.encoding.urls import mask_url
from worker.settings.settings import Settings

MOST: Final = 10_000  # messages that are looked at, all together


@dataclass(frozen=True, slots=True)
class QueueLook:
    """What a look found. `found` is None where it cannot tell."""

    found: bool | None
    where: str | None  # the queue, or that a worker has it
    looked_at: int  # messages
    whole: bool  # there were no others
    said: str  # in a sentence


def look(settings: Settings, key: str, producer: str | None, most: int = MOST) -> QueueLook:
    """Looks for a message with this key in the queues of money jobs, up to `most` messages. A broker that is away, or
    that shows no message before it is taken, is said to be so."""
    try:
        with broker_connection(settings.broker_url, settings.broker_socket_timeout_s, settings.tls) as connection:
            connection.connect()
            if settings.broker_kind == "redis":
                return _on_redis(connection.default_channel, settings, key, producer, most)
            return _on_rabbitmq(connection, settings)
    except (AMQPError, RedisError, OperationalError, OSError) as error:
        step = next_step(error, settings.broker_url)
        return QueueLook(None, None, 0, False, f"the broker {mask_url(settings.broker_url)} could not be asked: {step}")


def _on_redis(channel: Any, settings: Settings, key: str, producer: str | None, most: int) -> QueueLook:
    count = 0
    for where, message in islice(_messages(channel, settings, most), most):
        count += 1
        if _asks_for(message, key, producer):
            return QueueLook(True, where, count, False, f"a message with this key is {where}")
    whole = count < most
    rest = "" if whole else f"; only the first {most} messages were looked at"
    return QueueLook(None if not whole else False, None, count, whole, f"none of {count} messages has this key{rest}")


def _messages(channel: Any, settings: Settings, most: int) -> Iterator[tuple[str, bytes]]:
    queues = (settings.queue, *settings.partition_queues)
    for key in ("unacked", *(f"unacked.{partition}" for partition in settings.partition_queues)):
        yield from (("with a worker", each) for each in in_hand(channel, key, most))
    for queue in queues:
        yield from ((f"waiting in {queue}", each) for each in waiting(channel, queue, most))


def _on_rabbitmq(connection: Any, settings: Settings) -> QueueLook:
    queues = [name for name in (settings.queue, *settings.partition_queues) if is_there(connection.connection, name)]
    counts = [connection.channel().queue_declare(name, passive=True).message_count for name in queues]
    said = f"RabbitMQ shows no message before it is taken: {sum(counts)} are waiting, and this may be one of them"
    return QueueLook(None if sum(counts) else False, None, 0, False, said if sum(counts) else "the queues are empty")


def _asks_for(raw: bytes, key: str, producer: str | None) -> bool:
    """Whether a message is a job with this key. One that cannot be read is none."""
    try:
        message = json.loads(raw)
        body = message["body"]
        if message.get("properties", {}).get("body_encoding") == "base64":
            body = b64decode(body)
        given = json.loads(body)[1]
        return given.get("idempotency_key") == key and producer in (None, given.get("producer", DEFAULT_PRODUCER))
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
