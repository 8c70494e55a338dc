"""Messages whose properties py-amqp cannot read: they end a plain consumer, again and again; ours hands them on."""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack
from typing import Any, Final

import amqp
import pytest
from kombu import Connection, Exchange, Queue
from kombu.transport import pyamqp

from worker.brokers.rabbitmq.connection import Transport
from worker.brokers.rabbitmq.unreadable import UNREADABLE

_CORRELATION_ID, _HEADERS = pack(">H", 0x0400), pack(">H", 0x2000)


def _table(name: bytes, value: bytes) -> bytes:
    """A table with one field; `value` begins with the letter of its type."""
    field = bytes([len(name)]) + name + value
    return pack(">I", len(field)) + field


def _tables(depth: int) -> bytes:
    """A table in a table in a table."""
    table = _table(b"a", b"V")
    for _ in range(depth):
        table = _table(b"a", b"F" + table)
    return table


PROPERTIES: Final = {
    "a text that is not UTF-8": _CORRELATION_ID + b"\x01\xff",
    "a year that Python has not": _HEADERS + _table(b"at", b"T" + pack(">Q", 2**40)),
    "tables without end": _HEADERS + _tables(3_000),
}


class _Message(amqp.basic_message.Message):
    """Its properties are these bytes."""

    def __init__(self, body: bytes, properties: bytes) -> None:
        super().__init__(body)
        self._raw = properties

    def _serialize_properties(self) -> bytes:
        return self._raw


@pytest.fixture
def queue(rabbitmq_url: str, unique_queue: str) -> Iterator[Queue]:
    """A queue that everything sent to a fanout exchange of its name reaches, under whatever routing key."""
    exchange = Exchange(unique_queue, type="fanout", durable=False, auto_delete=True)
    with Connection(rabbitmq_url) as connection:
        bound = Queue(unique_queue, exchange, durable=False)
        bound(connection.default_channel).declare()
        yield bound


def _publish(url: str, queue: Queue, message: Any, routing_key: Any = b"") -> None:
    with Connection(url) as connection:
        channel: Any = connection.channel()
        channel.basic_publish(message, exchange=queue.name, routing_key=routing_key)
        channel.queue_declare(queue.name, passive=True)  # answered once the message was taken


def _received(url: str, transport: Any, queue: Queue, count: int) -> list[Any]:
    """The first messages of the queue, acknowledged. Raises what reading them raises."""
    found: list[Any] = []
    with Connection(url, transport=transport) as connection:
        consumer = connection.Consumer(queue, on_message=found.append, accept=["json"])
        with consumer:
            while len(found) < count:
                connection.drain_events(timeout=10)
        for message in found:
            message.ack()
    return found


@pytest.mark.parametrize("properties", PROPERTIES.values(), ids=PROPERTIES.keys())
def test_a_message_with_unreadable_properties_is_delivered(rabbitmq_url: str, queue: Queue, properties: bytes) -> None:
    _publish(rabbitmq_url, queue, _Message(b"first", properties))
    _publish(rabbitmq_url, queue, amqp.basic_message.Message(b"second", correlation_id="id"))
    with pytest.raises((ValueError, RecursionError)):
        _received(rabbitmq_url, pyamqp.Transport, queue, 1)
    first, second = _received(rabbitmq_url, Transport, queue, 2)
    assert (first.body, first.headers, first.content_type) == (b"first", {UNREADABLE: properties.hex()}, None)
    assert (second.body, second.headers, second.properties["correlation_id"]) == (b"second", {}, "id")


def test_a_message_without_a_body_and_with_unreadable_properties_is_delivered(rabbitmq_url: str, queue: Queue) -> None:
    _publish(rabbitmq_url, queue, _Message(b"", PROPERTIES["a text that is not UTF-8"]))
    [message] = _received(rabbitmq_url, Transport, queue, 1)
    assert UNREADABLE in message.headers


def test_a_routing_key_that_is_not_utf_8_is_spelled_out(rabbitmq_url: str, queue: Queue) -> None:
    _publish(rabbitmq_url, queue, amqp.basic_message.Message(b"body", correlation_id="id"), b"balance\xff")
    with pytest.raises(UnicodeDecodeError):
        _received(rabbitmq_url, pyamqp.Transport, queue, 1)
    [message] = _received(rabbitmq_url, Transport, queue, 1)
    assert (message.body, message.properties["correlation_id"]) == (b"body", "id")
    assert message.delivery_info["routing_key"] == "balance\\xff"
    assert message.delivery_info["exchange"] == queue.name


def test_what_a_consumer_raises_is_not_taken_for_an_unreadable_message(rabbitmq_url: str, queue: Queue) -> None:
    calls: list[Any] = []

    def fail(message: Any) -> None:
        calls.append(message)
        b"\xff".decode()

    for body in (b"", b"body"):
        _publish(rabbitmq_url, queue, amqp.basic_message.Message(body))
        with (
            Connection(rabbitmq_url, transport=Transport) as connection,
            connection.Consumer(queue, on_message=fail, no_ack=True),
            pytest.raises(UnicodeDecodeError),
        ):
            connection.drain_events(timeout=10)
    assert [message.body for message in calls] == ["", b"body"]
