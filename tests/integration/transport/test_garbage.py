"""What is no message: neither lost nor in the way of the messages behind it."""

import json
from typing import Any

import pytest

from tests.integration.transport.brokers import Broker, consuming

_MESSAGE = {
    "body": "e30=",
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "headers": {},
    "properties": {"delivery_info": {}, "body_encoding": "base64", "delivery_tag": "t"},
}

GARBAGE = [
    b"",
    b"no json",
    b"\xff\xfe\x00",
    b"7",
    b"null",
    b'"text"',
    b"[1, 2]",
    b"{}",
    b'{"properties": {}}',
    b'{"properties": null}',
    b'{"body": "e30=", "properties": {"delivery_info": null}}',
    b'{"body": "x", "headers": {}, "properties": {"delivery_info": {}, "body_encoding": "base64"}}',
    b'{"body": "x", "headers": {}, "properties": {"delivery_info": {}, "body_encoding": "rot13"}}',
    json.dumps({**_MESSAGE, "headers": [1]}).encode(),
    b"[" * 100_000,
    b'{"truncated": ',
]
_LIST = "_balance.garbage"


def _kept(broker: Broker) -> list[bytes]:
    entries: list[bytes] = broker.client.lrange(broker.prefix + _LIST, 0, -1)
    return entries


@pytest.mark.parametrize("prefetch", [0, 1])
def test_garbage_is_kept_aside_and_the_messages_around_it_arrive(broker: Broker, prefetch: int) -> None:
    for number, garbage in enumerate(GARBAGE):
        broker.client.lpush(f"{broker.prefix}jobs", garbage)
        broker.publish(number)
    with consuming(broker, prefetch=prefetch, on_message=lambda message: message.ack()) as one:
        assert one.drain(len(GARBAGE)) == list(range(len(GARBAGE)))
    assert _kept(broker) == [b"jobs\x06\x16" + garbage for garbage in GARBAGE]
    assert broker.names() == {_LIST}


def test_a_hook_is_given_the_garbage_as_it_was(broker: Broker) -> None:
    got: list[tuple[str, bytes]] = []
    for garbage in GARBAGE:
        broker.client.lpush(f"{broker.prefix}a.b", garbage)
    broker.publish("good", to="a.b")
    options: dict[str, Any] = {"on_garbage": lambda queue, raw: got.append((queue, raw))}
    with consuming(broker, "a.b", on_message=lambda message: message.ack(), **options) as one:
        assert one.drain(1) == ["good"]
    assert got == [("a.b", garbage) for garbage in GARBAGE]
    assert broker.names() == set()


def test_a_hook_that_fails_loses_nothing_and_is_tried_again_by_the_next_consumer(broker: Broker) -> None:
    got: list[bytes] = []

    def fail(queue: str, raw: bytes) -> None:
        raise OSError("the database is away")

    broker.client.lpush(f"{broker.prefix}jobs", b"garbage")
    broker.publish("good")
    with consuming(broker, on_garbage=fail, on_message=lambda message: message.ack()) as one:
        assert one.drain(1) == ["good"]
    assert _kept(broker) == [b"jobs\x06\x16garbage"]
    with consuming(broker, on_garbage=lambda queue, raw: got.append(raw)):
        assert got == [b"garbage"]
    assert broker.names() == set()


def test_fetching_one_message_passes_over_garbage(broker: Broker) -> None:
    broker.client.lpush(f"{broker.prefix}jobs", b"garbage")
    broker.publish("good")
    with broker.connect() as connection:
        message = connection.channel().basic_get("jobs")
        assert message.decode() == {"job": "good"}
        message.ack()
    assert _kept(broker) == [b"jobs\x06\x16garbage"]
