"""The stream of events on the broker of a run: bound before the first event, and read in the end as receivers read."""

from __future__ import annotations

from typing import Any, Final

import redis
from kombu import Connection, Exchange, Queue

from tests.chaos.events.seen import Seen

_NAME: Final = "balance.events"
_OURS: Final = "chaos.events"  # the consumer group, or the queue
_AT_ONCE: Final = 1_000
_SILENT_S: Final = 5.0


def bind(broker_url: str) -> None:
    """RabbitMQ keeps events for the queues that there are; Redis keeps them for whoever comes."""
    if broker_url.startswith("amqp"):
        with Connection(broker_url) as connection:
            _queue()(connection.default_channel).declare()


def read(broker_url: str) -> list[Seen]:
    """All that is in it, in its order."""
    return _of_rabbitmq(broker_url) if broker_url.startswith("amqp") else _of_redis(broker_url)


def _queue() -> Queue:
    return Queue(_OURS, Exchange(_NAME, "topic", durable=True), routing_key="#", durable=True)


def _of_rabbitmq(url: str) -> list[Seen]:
    found: list[Seen] = []
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        count = channel.queue_declare(_OURS, passive=True).message_count

        def take(message: Any) -> None:
            body = message.body  # which the library decodes where it says what it is encoded in
            whole = body.encode() if isinstance(body, str) else bytes(body)
            found.append(Seen(str(message.properties.get("message_id")), whole))

        channel.basic_consume(_OURS, no_ack=True, callback=take)
        while len(found) < count:
            connection.drain_events(timeout=_SILENT_S)
    return found


def _of_redis(url: str) -> list[Seen]:
    found: list[Seen] = []
    with redis.Redis.from_url(url) as client:
        client.xgroup_create(_NAME, _OURS, id="0", mkstream=True)
        while batch := client.xreadgroup(_OURS, "reader", {_NAME: ">"}, count=_AT_ONCE, noack=True):
            [(_, entries)] = batch
            found += [Seen(fields[b"id"].decode(), fields[b"event"]) for _, fields in entries]
    return found
