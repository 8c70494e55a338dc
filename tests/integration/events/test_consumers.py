"""Examples of consumers: each event once, those of a consumer that died too, and an end when they are told to."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import kombu
import pytest
import redis

from tests.integration.events.made import address, made
from tests.integration.events.receivers import LANGUAGES, Language, receiving
from tests.integration.transport.brokers import wait_until
from tests.support.servers.queues import removed_after
from worker.event_stream.rabbitmq import RabbitMQStream
from worker.event_stream.redis import RedisStream

NAME = "balance.events"


@LANGUAGES
def test_redis_each_event_once_in_order(redis_url: str, tmp_path: Path, language: Language) -> None:
    with closing(RedisStream(address(redis_url, NAME), 3600, 100_000)) as stream:
        stream.publish(made(0, 10))
        with receiving(language, "redis_consumer", tmp_path / "log", "--url", redis_url) as consumer:
            stream.publish(made(10, 1000))
            stream.publish(made(500, 520))  # again, and some more
            wait_until(lambda: len(consumer.numbers) >= 1020, "all events")
            assert consumer.events[3]["name"] == "Ünï"
            with redis.Redis.from_url(redis_url) as client:
                wait_until(lambda: client.xpending(NAME, "example")["pending"] == 0, "all to be acknowledged")
            consumer.stop()
        assert consumer.numbers == [*range(1020)]


@LANGUAGES
def test_redis_what_a_dead_consumer_has_left_is_taken_over(redis_url: str, tmp_path: Path, language: Language) -> None:
    with closing(RedisStream(address(redis_url, NAME), 3600, 100_000)) as stream:
        stream.publish(made(0, 10))
    with redis.Redis.from_url(redis_url) as client:
        client.xgroup_create(NAME, "example", id="0")
        client.xreadgroup("example", "dead", {NAME: ">"}, count=5)
        for entry, _ in client.xrange(NAME, count=2):
            client.xdel(NAME, entry)  # trimmed before it was acknowledged
        words = ["--url", redis_url, "--idle-ms", "100"]
        with receiving(language, "redis_consumer", tmp_path / "log", *words) as consumer:
            wait_until(lambda: len(consumer.numbers) >= 8, "the events of both")
            wait_until(lambda: client.xpending(NAME, "example")["pending"] == 0, "all to be acknowledged")
            consumer.stop()
        assert sorted(consumer.numbers) == [*range(2, 10)]


@pytest.fixture
def exchange(rabbitmq_url: str, unique_queue: str) -> Iterator[str]:
    """With a queue of the same name. Both are gone afterwards."""
    with removed_after(rabbitmq_url, unique_queue):
        yield unique_queue
    with kombu.Connection(rabbitmq_url) as connection:
        channel: Any = connection.channel()
        channel.exchange_delete(unique_queue)


@LANGUAGES
def test_rabbitmq_each_event_once_in_order(
    rabbitmq_url: str, exchange: str, tmp_path: Path, language: Language
) -> None:
    words = ["--url", rabbitmq_url, "--exchange", exchange, "--queue", exchange, "--types", "wallet.#"]
    with closing(RabbitMQStream(address(rabbitmq_url, exchange))) as stream:
        with receiving(language, "rabbitmq_consumer", tmp_path / "log", *words) as consumer:
            stream.publish(made(0, 1000))
            stream.publish(made(500, 520))  # again, and some more
            wait_until(lambda: len(consumer.numbers) >= 1020, "all events")
            assert consumer.events[3]["name"] == "Ünï"
            consumer.stop()
        assert consumer.numbers == [*range(1020)]
        stream.publish(made(1020, 10))  # to the queue, with nobody there
        with receiving(language, "rabbitmq_consumer", tmp_path / "second", *words, "--passive") as consumer:
            wait_until(lambda: 1029 in consumer.numbers, "what came meanwhile")
            assert _without_gap(consumer.numbers, 1020)
            consumer.stop()


@LANGUAGES
def test_rabbitmq_what_a_dead_consumer_has_left_is_taken_over(
    rabbitmq_url: str, exchange: str, tmp_path: Path, language: Language
) -> None:
    words = ["--url", rabbitmq_url, "--exchange", exchange, "--queue", exchange]
    with (
        closing(RabbitMQStream(address(rabbitmq_url, exchange))) as stream,
        receiving(language, "rabbitmq_consumer", tmp_path / "first", *words) as first,
        receiving(language, "rabbitmq_consumer", tmp_path / "second", *words) as second,
    ):
        stream.publish(made(0, 10))
        wait_until(lambda: len(first.numbers) == 10, "the first to take all")
        first.process.send_signal(signal.SIGSTOP)
        stream.publish(made(10, 10))  # to the first, which does not see them
        assert second.numbers == []
        first.process.kill()
        wait_until(lambda: 19 in second.numbers, "the second to take over")
        assert _without_gap(second.numbers, 10)
        second.stop()


def _without_gap(found: list[int], first: int) -> bool:
    """In order, from the first that nobody has seen, or from one before: its acknowledgement was still under way."""
    return found[0] <= first and found == [*range(found[0], found[-1] + 1)]
