"""Events through a topic exchange of RabbitMQ: confirmed, in order, and every refusal with its next step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import kombu
import pytest

from models.contracts.replies.events import EventMessage
from tasks.events.stream import StreamDown
from tests.integration.events.made import OCCURRED_AT, address, first_seen, made, numbers
from tests.support.servers.proxy import Fault, Proxy
from tests.support.servers.queues import taken
from worker.event_stream.rabbitmq import RabbitMQStream

ANY: Final = "#"


@pytest.fixture
def name(rabbitmq_url: str, unique_queue: str) -> Iterator[str]:
    """Of an exchange that is gone afterwards."""
    yield f"{unique_queue}.events"
    with kombu.Connection(rabbitmq_url) as connection:
        channel: Any = connection.channel()
        channel.exchange_delete(f"{unique_queue}.events")


@pytest.fixture
def stream(rabbitmq_url: str, name: str) -> Iterator[RabbitMQStream]:
    with closing(RabbitMQStream(address(rabbitmq_url, name))) as stream:
        yield stream


@pytest.fixture
def channel(rabbitmq_url: str) -> Iterator[Any]:
    with kombu.Connection(rabbitmq_url) as connection:
        yield connection.channel()


def bind(channel: Any, queue: str, name: str, types: str = ANY, full: dict[str, Any] | None = None) -> None:
    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=full)
    channel.queue_bind(queue, name, types)


def in_queue(url: str, queue: str) -> list[int]:
    return numbers([str(message.body) for message in taken(url, queue)])


def test_an_event_arrives_as_it_was_given_where_its_type_is_asked_for(
    rabbitmq_url: str, unique_queue: str, name: str, stream: RabbitMQStream, channel: Any
) -> None:
    stream.publish(made(0))  # to whom it may concern: nobody
    bind(channel, unique_queue, name, "wallet.balance.*")
    [event] = made(1)
    stream.publish([EventMessage("e2", "letter.parked", None, OCCURRED_AT, b"{}"), event])
    [message] = taken(rabbitmq_url, unique_queue)
    assert message.body == event.body.decode()
    assert message.headers == {"account": "wallet:w_1"}
    assert message.delivery_info["routing_key"] == event.type
    expected = {
        "message_id": "event-1", "type": event.type, "app_id": "balance-worker", "delivery_mode": 2,
        "content_type": "application/json", "content_encoding": "utf-8", "timestamp": int(OCCURRED_AT.timestamp()),
    }  # fmt: skip
    found: Any = {**message.properties, "content_type": message.content_type}
    found["content_encoding"] = message.content_encoding
    assert {key: found[key] for key in expected} == expected


def test_what_concerns_no_account_names_none(
    rabbitmq_url: str, unique_queue: str, name: str, stream: RabbitMQStream, channel: Any
) -> None:
    stream.publish([])
    bind(channel, unique_queue, name)
    stream.publish([EventMessage("e2", "letter.parked", None, OCCURRED_AT, b"{}")])
    [message] = taken(rabbitmq_url, unique_queue)
    assert message.headers == {}


def test_batches_are_in_order(
    rabbitmq_url: str, unique_queue: str, name: str, stream: RabbitMQStream, channel: Any
) -> None:
    stream.publish([])
    bind(channel, unique_queue, name)
    stream.publish(made(0, 1000))
    stream.publish(made(1000, 10))
    assert in_queue(rabbitmq_url, unique_queue) == [*range(1010)]


@pytest.mark.parametrize(("mark", "at"), [(b"event-500", "request"), (b"x" * 50, "answer")])
def test_a_batch_that_is_cut_off_is_published_again(
    rabbitmq_url: str, unique_queue: str, name: str, channel: Any, mark: bytes, at: Any
) -> None:
    with Proxy(rabbitmq_url) as proxy, closing(RabbitMQStream(address(proxy.url, name))) as stream:
        stream.publish([])
        bind(channel, unique_queue, name)
        fault = proxy.arm(Fault((mark,), at, "cut"))
        with pytest.raises(StreamDown, match=r"see that the broker runs|see the log"):
            stream.publish(made(0, 1000))
        assert fault.struck.wait(5)
        stream.publish(made(0, 1000))
    found = in_queue(rabbitmq_url, unique_queue)
    assert len(found) > 1000, "some had been taken"
    assert first_seen(found) == [*range(1000)]


def test_a_silent_broker_is_given_up(rabbitmq_url: str, unique_queue: str, name: str, channel: Any) -> None:
    with Proxy(rabbitmq_url) as proxy, closing(RabbitMQStream(address(proxy.url, name, timeout_s=0.5))) as stream:
        stream.publish([])
        bind(channel, unique_queue, name)
        proxy.go_silent()
        with pytest.raises(StreamDown, match="see that the broker runs"):
            stream.publish(made(0))
        stream.publish(made(0))
    assert in_queue(rabbitmq_url, unique_queue) == [0]


def test_an_exchange_of_another_kind_is_not_used(
    rabbitmq_url: str, unique_queue: str, name: str, stream: RabbitMQStream, channel: Any
) -> None:
    channel.exchange_declare(name, "fanout", durable=True, auto_delete=False)
    for _ in range(2):
        with pytest.raises(StreamDown, match=rf"406.*delete exchange {name}.*BALANCE_EVENT_STREAM_NAME"):
            stream.publish(made(0))
    channel.exchange_delete(name)
    stream.publish(made(0))
    bind(channel, unique_queue, name)
    stream.publish(made(1))
    assert in_queue(rabbitmq_url, unique_queue) == [1]


def test_an_exchange_that_is_deleted_is_made_again(
    rabbitmq_url: str, unique_queue: str, name: str, stream: RabbitMQStream, channel: Any
) -> None:
    stream.publish(made(0))
    channel.exchange_delete(name)
    with pytest.raises(StreamDown, match=r"404.*bind their queues.*again"):
        stream.publish(made(1, 10))
    stream.publish([])
    bind(channel, unique_queue, name)
    stream.publish(made(1, 10))
    assert in_queue(rabbitmq_url, unique_queue) == [*range(1, 11)]


def test_a_queue_that_rejects_holds_up_what_it_has_no_room_for(
    rabbitmq_url: str, unique_queue: str, name: str, stream: RabbitMQStream, channel: Any
) -> None:
    stream.publish([])
    bind(channel, unique_queue, name, full={"x-max-length": 5, "x-overflow": "reject-publish"})
    with pytest.raises(StreamDown, match=r"of 50 events were rejected.*make room in the queues"):
        stream.publish(made(0, 50))
    channel.queue_delete(unique_queue)
    bind(channel, unique_queue, name)
    stream.publish(made(0, 50))
    assert in_queue(rabbitmq_url, unique_queue) == [*range(50)]
