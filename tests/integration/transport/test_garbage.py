"""What is no message: neither lost nor in the way of the messages behind it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.integration.transport.brokers import Broker, consuming
from worker.brokers.redis.garbage import Found

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


def _kept(broker: Broker) -> list[tuple[bytes, bytes]]:
    """The queues and the bytes of what was put aside; no two have a tag in common."""
    entries: list[bytes] = broker.client.lrange(broker.prefix + _LIST, 0, -1)
    parts = [entry.partition(b"\x06\x16") for entry in entries]
    origins = [origin.partition(b"\0") for origin, _, _ in parts]
    assert len({tag for _, _, tag in origins}) == len(entries)
    return [(queue, raw) for (queue, _, _), (_, _, raw) in zip(origins, parts, strict=True)]


def _hook(got: list[tuple[str, bytes]]) -> Any:
    return lambda found: got.extend((each.queue, each.raw) for each in found)


@pytest.mark.parametrize("prefetch", [0, 1])
def test_garbage_is_kept_aside_and_the_messages_around_it_arrive(broker: Broker, prefetch: int) -> None:
    for number, garbage in enumerate(GARBAGE):
        broker.client.lpush(f"{broker.prefix}jobs", garbage)
        broker.publish(number)
    with consuming(broker, prefetch=prefetch, on_message=lambda message: message.ack()) as one:
        assert one.drain(len(GARBAGE)) == list(range(len(GARBAGE)))
    assert _kept(broker) == [(b"jobs", garbage) for garbage in GARBAGE]
    assert broker.names() == {_LIST}


def test_a_hook_is_given_the_garbage_as_it_was(broker: Broker) -> None:
    got: list[tuple[str, bytes]] = []
    for garbage in GARBAGE:
        broker.client.lpush(f"{broker.prefix}a.b", garbage)
    broker.publish("good", to="a.b")
    options: dict[str, Any] = {"on_garbage": _hook(got)}
    with consuming(broker, "a.b", on_message=lambda message: message.ack(), **options) as one:
        assert one.drain(1) == ["good"]
    assert got == [("a.b", garbage) for garbage in GARBAGE]
    assert broker.names() == set()


def test_a_hook_that_fails_loses_nothing_and_is_tried_again_by_the_next_consumer(broker: Broker) -> None:
    got: list[tuple[str, bytes]] = []

    def fail(found: Sequence[Found]) -> None:
        raise OSError("the database is away")

    broker.client.lpush(f"{broker.prefix}jobs", b"garbage")
    broker.publish("good")
    with consuming(broker, on_garbage=fail, on_message=lambda message: message.ack()) as one:
        assert one.drain(1) == ["good"]
    assert _kept(broker) == [(b"jobs", b"garbage")]
    with consuming(broker, on_garbage=_hook(got)):
        assert got == [("jobs", b"garbage")]
    assert broker.names() == set()


def test_what_the_hook_failed_for_is_given_again_with_the_next_batch(broker: Broker) -> None:
    got: list[tuple[str, bytes]] = []
    away = [True]

    def hook(found: Sequence[Found]) -> None:
        if away.pop() if away else False:
            raise OSError("the database is away")
        _hook(got)(found)

    with consuming(broker, on_garbage=hook, on_message=lambda message: message.ack()) as one:
        broker.client.lpush(f"{broker.prefix}jobs", b"garbage")
        broker.publish("good")
        assert one.drain(1) == ["good"]
        assert (got, _kept(broker)) == ([], [(b"jobs", b"garbage")])
        broker.publish("better")
        one.drain(1)
        assert (got, _kept(broker)) == ([("jobs", b"garbage")], [])


def test_a_flood_of_garbage_is_given_in_few_calls(broker: Broker) -> None:
    calls: list[int] = []
    broker.client.lpush(f"{broker.prefix}jobs", *(f"garbage {number}" for number in range(450)))
    broker.publish("good")
    options: dict[str, Any] = {"on_garbage": lambda found: calls.append(len(found))}
    with consuming(broker, on_message=lambda message: message.ack(), **options) as one:
        assert one.drain(1) == ["good"]
    assert sum(calls) == 450
    assert len(calls) < 10
    assert broker.names() == set()


def test_fetching_one_message_passes_over_garbage(broker: Broker) -> None:
    broker.client.lpush(f"{broker.prefix}jobs", b"garbage")
    broker.publish("good")
    with broker.connect() as connection:
        message = connection.channel().basic_get("jobs")
        assert message.decode() == {"job": "good"}
        message.ack()
    assert _kept(broker) == [(b"jobs", b"garbage")]


def test_equal_bytes_are_told_apart_and_each_is_given_once_more_under_its_own_tag(broker: Broker) -> None:
    given: list[list[Found]] = []

    def hook(found: Sequence[Found]) -> None:
        given.append(list(found))
        if len(given) == 1:
            raise OSError("the database is away")

    broker.client.lpush(f"{broker.prefix}jobs", *[b"garbage"] * 3)
    broker.client.rpush(f"{broker.prefix}{_LIST}", b"jobs\x06\x16of an earlier version")
    broker.publish("good", "better")
    with consuming(broker, on_garbage=hook, on_message=lambda message: message.ack()) as one:
        one.drain(2)
    assert given[0] == [Found("jobs", "", b"of an earlier version")]
    assert [found.raw for found in given[1]] == [b"of an earlier version"] + [b"garbage"] * 3
    assert len({found.tag for found in given[1]}) == 4
