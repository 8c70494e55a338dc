"""Queues of RabbitMQ that others made: which are used as they are, which are refused, and how each is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import amqp
import pytest
from amqp.exceptions import ChannelError, NotFound, PreconditionFailed, ResourceLocked
from kombu import Connection, Consumer, Exchange, Queue
from kombu.message import Message

from balance_client import BalanceClient
from balance_client.routing import queue_arguments
from tests.acceptance.system import wait_until
from tests.support.servers.queues import removed_after
from worker.brokers.queues import JobQueue, declare
from worker.brokers.rabbitmq.remaking import InUse, Remaking

PERSISTENT: Any = 2
QUORUM = {"x-queue-type": "quorum"}
PARTITION = queue_arguments("amqp://", partition=True)


@pytest.fixture
def connection(rabbitmq_url: str) -> Iterator[Any]:
    with Connection(rabbitmq_url) as connection:
        connection.connect()
        yield connection


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.brokers.rabbitmq.remaking._LAST_S", 0.05)
    monkeypatch.setattr("worker.brokers.rabbitmq.remaking._QUIET_S", 0.05)


def made(connection: Any, name: str, *, durable: bool = True, auto_delete: bool = False, **arguments: Any) -> None:
    given = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
    connection.channel().queue_declare(name, durable=durable, auto_delete=auto_delete, arguments=given)


@pytest.mark.parametrize(
    ("kind", "has"),
    [
        ({}, {}),
        ({"queue_type": "classic"}, {}),
        ({"queue_type": "quorum"}, QUORUM),
        ({"queue_type": "quorum", "delivery_limit": -1}, {**QUORUM, "x-delivery-limit": -1}),
    ],
    ids=["classic", "said to be classic", "quorum", "without a limit"],
)
@pytest.mark.parametrize("wanted", [{}, QUORUM], ids=["classic", "quorum"])
def test_a_queue_that_keeps_its_jobs_is_used_as_it_is(
    connection: Any, unique_queue: str, kind: dict[str, Any], has: dict[str, Any], wanted: dict[str, Any]
) -> None:
    made(connection, unique_queue, **kind)
    assert declare(connection.connection, unique_queue, wanted)[1] == has


# What else there is about it, as RabbitMQ tells it.
REFUSED: dict[str, dict[str, Any]] = {
    "durable": {"durable": False},
    "auto_delete": {"auto_delete": True},
    "x-max-priority": {"max_priority": 5},
    "x-message-ttl": {"message_ttl": 10_000_000},
    "x-expires": {"expires": 10_000_000},
    "x-max-length": {"queue_type": "quorum", "max_length": 1_000},
    "x-delivery-limit": {"queue_type": "quorum", "delivery_limit": 3},
    "x-dead-letter-exchange": {"dead_letter_exchange": "elsewhere"},
    "x-single-active-consumer": {"queue_type": "quorum", "single_active_consumer": True},
}


@pytest.mark.parametrize("trouble", REFUSED)
def test_any_other_is_refused_with_what_is_there(connection: Any, unique_queue: str, trouble: str) -> None:
    made(connection, unique_queue, **REFUSED[trouble])
    with pytest.raises(PreconditionFailed, match=f"inequivalent arg '{trouble}'"):
        declare(connection.connection, unique_queue, QUORUM)


@pytest.mark.parametrize("trouble", ["durable", "auto_delete", "x-delivery-limit", "x-single-active-consumer"])
def test_it_is_made_anew_with_all_its_messages_in_their_order(
    rabbitmq_url: str, connection: Any, unique_queue: str, trouble: str
) -> None:
    made(connection, unique_queue, **REFUSED[trouble])
    keys = published(rabbitmq_url, unique_queue)
    assert sum(1 for _ in Remaking(connection, unique_queue, QUORUM).run()) == 2 * len(keys)
    assert declare(connection.connection, unique_queue, QUORUM)[1] == QUORUM
    assert left(rabbitmq_url, unique_queue) == keys
    assert nothing_is_left_beside(connection, unique_queue)


def published(url: str, queue: str) -> list[str]:
    keys = [f"k{number}" for number in range(5)]
    with BalanceClient(url, queue=queue) as client:
        for key in keys:
            client.users_upsert(idempotency_key=key, user_id=1)
    return keys


def left(url: str, queue: str) -> list[str]:
    messages: list[Message] = []
    with Connection(url) as connection:
        channel: Any = connection.channel()
        count = channel.queue_declare(queue, passive=True).message_count
        bound = Queue(queue, Exchange(""), routing_key=queue, no_declare=True)
        with Consumer(connection, [bound], no_ack=True, accept=["json"], on_message=messages.append):
            while len(messages) < count:
                connection.drain_events(timeout=10)
    assert {message.properties["delivery_mode"] for message in messages} == {PERSISTENT}
    return [message.payload[1]["idempotency_key"] for message in messages]


def nothing_is_left_beside(connection: Any, queue: str) -> bool:
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        connection.channel().queue_declare(f"{queue}.aside", passive=True)
    return True


@pytest.mark.parametrize("kind", [{}, {"queue_type": "quorum"}], ids=["classic", "shared"])
def test_a_partition_that_is_not_given_to_one_consumer_is_refused_and_made_anew(
    rabbitmq_url: str, connection: Any, unique_queue: str, kind: dict[str, Any]
) -> None:
    assert PARTITION is not None
    made(connection, unique_queue, **kind)
    with pytest.raises(PreconditionFailed, match="x-single-active-consumer"):
        declare(connection.connection, unique_queue, PARTITION)
    keys = published(rabbitmq_url, unique_queue)
    [*_] = Remaking(connection, unique_queue, PARTITION).run()
    assert declare(connection.connection, unique_queue, PARTITION)[1] == PARTITION
    assert left(rabbitmq_url, unique_queue) == keys


def test_a_queue_of_somebody_alone_is_refused(rabbitmq_url: str, connection: Any, unique_queue: str) -> None:
    with Connection(rabbitmq_url) as other:
        channel: Any = other.channel()
        channel.queue_declare(unique_queue, durable=True, exclusive=True)
        with pytest.raises(ResourceLocked):
            declare(connection.connection, unique_queue, QUORUM)


def test_a_refusal_leaves_the_channel_open_that_asked(connection: Any, unique_queue: str) -> None:
    """Celery declares on the channel that consumes or publishes."""
    made(connection, unique_queue, message_ttl=10_000_000)
    channel = connection.channel()
    with pytest.raises(PreconditionFailed):
        JobQueue(unique_queue, queue_arguments=QUORUM).queue_declare(channel=channel)
    channel.basic_qos(0, 1, False)


def test_a_queue_that_is_consumed_is_not_made_anew(rabbitmq_url: str, connection: Any, unique_queue: str) -> None:
    made(connection, unique_queue)
    keys = published(rabbitmq_url, unique_queue)
    with Connection(rabbitmq_url) as other:
        channel: Any = other.channel()
        channel.basic_qos(0, 1, False)
        channel.basic_consume(unique_queue, callback=lambda message: None)
        with pytest.raises(InUse, match=f"{unique_queue} has 1 consumers: stop the workers"):
            [*_] = Remaking(connection, unique_queue, QUORUM).run()
    assert left(rabbitmq_url, unique_queue) == keys


def unused(connection: Any, *queues: str) -> bool:
    def consumers(queue: str) -> int:
        try:
            return int(connection.channel().queue_declare(queue, passive=True).consumer_count)
        except NotFound:
            return 0

    return not sum(map(consumers, queues))


@pytest.mark.parametrize("kind", [{}, {"queue_type": "quorum", "delivery_limit": 3}], ids=["classic", "quorum"])
def test_what_is_published_while_it_is_made_anew_is_kept_or_it_is_not_done(
    rabbitmq_url: str, connection: Any, unique_queue: str, kind: dict[str, Any]
) -> None:
    made(connection, unique_queue, **kind)
    keys = published(rabbitmq_url, unique_queue)
    remaking, publish = Remaking(connection, unique_queue, QUORUM), connection.channel()
    late = amqp.Message(b'[[], {"idempotency_key": "late"}, {}]', content_type="application/json", delivery_mode=2)
    delete = remaking._delete

    def delete_late(queue: str) -> bool:
        if queue == unique_queue and len(keys) == 5:
            publish.basic_publish_confirm(late, exchange="", routing_key=unique_queue)
            keys.append("late")
        return delete(queue)

    remaking._delete = delete_late  # type: ignore[method-assign]  # a publisher that comes in between
    if kind:
        with pytest.raises(InUse, match="still publishes"):
            [*_] = remaking.run()
    [*_] = remaking.run()
    assert left(rabbitmq_url, unique_queue) == keys


@pytest.mark.parametrize("steps", [3, 5, 7])
def test_interrupted_anywhere_it_goes_on_when_it_is_repeated(
    rabbitmq_url: str, connection: Any, unique_queue: str, steps: int
) -> None:
    made(connection, unique_queue, message_ttl=10_000_000)
    keys = published(rabbitmq_url, unique_queue)
    with removed_after(rabbitmq_url, f"{unique_queue}.aside"), Connection(rabbitmq_url) as first:
        first.connect()
        running = Remaking(first, unique_queue, QUORUM).run()
        for _ in range(steps):
            next(running)
        running.close()
        first.collect()
        wait_until("RabbitMQ to notice", lambda: unused(connection, unique_queue, f"{unique_queue}.aside"))
        [*_] = Remaking(connection, unique_queue, QUORUM).run()
        assert left(rabbitmq_url, unique_queue) == keys
        assert nothing_is_left_beside(connection, unique_queue)
