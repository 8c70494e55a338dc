"""A server at its memory limit refuses what needs more of it. Taking messages is what makes room."""

from collections.abc import Iterator

import pytest
import redis

from tests.integration.transport.brokers import Broker, abandon, consuming


@pytest.fixture
def full(redis_url: str) -> Iterator[Broker]:
    """The session's Valkey with two jobs in it and no memory left."""
    with redis.Redis.from_url(redis_url) as client:
        broker = Broker(redis_url, "", client)
        broker.publish("one", "two")
        client.config_set("maxmemory", 1)
        yield broker
        client.config_set("maxmemory", 0)


def test_stock_loses_a_job(full: Broker) -> None:
    with pytest.raises(redis.exceptions.OutOfMemoryError), consuming(full, kind="stock") as one:
        one.drain(2)
    assert (full.waiting(), full.unacked()) == (["two"], [])


def test_ours_goes_on(full: Broker) -> None:
    with consuming(full, prefetch=1, on_message=lambda message: message.ack()) as one:
        assert one.drain(2) == ["one", "two"]
        one.turn()
        assert full.names() == set()
        full.client.config_set("maxmemory", 0)
        full.publish("three")
        assert one.drain(1) == ["three"]


def test_what_ours_holds_can_be_given_back(full: Broker) -> None:
    with consuming(full) as one:
        one.drain(2)
    assert full.waiting() == ["one", "two"]


def test_what_cannot_be_recorded_stays_in_the_queue(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        broker = Broker(redis_url, "", client)
        broker.publish("one", "two")
        client.set("unacked_index", "not a sorted set")
        with consuming(broker) as one:
            with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                one.drain(2)
            client.delete("unacked_index")
            assert (broker.waiting(), broker.unacked()) == (["one", "two"], [])
            abandon(one)


def test_what_cannot_be_put_back_stays_recorded(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        broker = Broker(redis_url, "", client)
        broker.publish("one", "two")
        with consuming(broker) as one:
            one.drain(2)
            client.set("jobs", "not a list")
            with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                one.channel.qos.restore_unacked()
            assert broker.unacked() == ["one", "two"]
            client.delete("jobs")
        assert broker.waiting() == ["one", "two"]
