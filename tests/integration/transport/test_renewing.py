"""A worker that lives keeps what it holds; what the others have left comes back within seconds."""

from time import monotonic
from typing import Any, Final

import pytest
import redis

from tests.integration.transport.brokers import Broker, Consumption, abandon, consuming, wait_until

_TIMEOUT_S: Final = 1
_OPTIONS: Final[dict[str, Any]] = {"visibility_timeout": _TIMEOUT_S, "unacked_restore_throttle": 1}


def _times(broker: Broker) -> list[float]:
    """When the records were made or renewed, earliest first."""
    return [time for _, time in broker.client.zrange(f"{broker.prefix}unacked_index", 0, -1, withscores=True)]


def _server_time(broker: Broker) -> float:
    seconds, microseconds = broker.client.time()
    return float(seconds + microseconds / 1_000_000)


def _renewed(consumption: Consumption) -> None:
    consumption.channel.qos._renew_at = 0.0
    consumption.channel.qos.renew()


def test_what_a_living_worker_holds_is_given_to_nobody(broker: Broker) -> None:
    broker.publish(*range(3))
    with consuming(broker, **_OPTIONS) as one, consuming(broker, **_OPTIONS) as other:
        one.drain(3)
        until = _times(broker)[0] + 3 * _TIMEOUT_S
        while _server_time(broker) < until:
            one.turn(0.05)
            assert other.turn(0.05).bodies == []
        one.ack()
        one.turn()
        assert broker.unacked() == []


def test_what_a_dead_worker_held_comes_back_in_order_after_the_timeout(broker: Broker) -> None:
    broker.publish(*range(4))
    with consuming(broker, prefetch=2, **_OPTIONS) as dead:
        dead.drain(2)
        _renewed(dead)
        dead.channel.basic_qos(0, 4, False)
        dead.drain(2)
        _renewed(dead)
        assert broker.unacked() == [0, 1, 2, 3]
        abandon(dead)
    died = monotonic()
    with consuming(broker, **_OPTIONS) as other:
        wait_until(lambda: len(other.turn().bodies) == 4, "all come back")
        assert other.bodies == [0, 1, 2, 3]
        assert _TIMEOUT_S * 0.9 < monotonic() - died < _TIMEOUT_S + 5
        abandon(other)


def test_a_renewal_brings_nothing_back_that_was_given_away_or_settled(broker: Broker) -> None:
    broker.publish(*range(3))
    with consuming(broker) as frozen, consuming(broker, visibility_timeout=0) as other:
        frozen.drain(3)
        frozen.messages[0].ack()
        other.channel.qos.restore_visible(num=None, interval=1)  # 0 too: the server does not know it is done
        assert sorted(other.drain(3)) == [0, 1, 2]
        other.messages[0].ack()
        other.turn()
        before = _times(broker)
        _renewed(frozen)
        assert _times(broker) == before
        frozen.ack()
        frozen.turn()
        assert len(broker.unacked()) == 2, "its late acknowledgements are of no record there is"
        other.ack()
        other.turn()
        assert broker.names() & {"jobs", "unacked", "unacked_index"} == set()


def test_records_are_timed_by_the_servers_clock_and_in_the_order_of_taking(broker: Broker) -> None:
    broker.publish(*range(6))
    with consuming(broker, prefetch=2) as one:
        began = _server_time(broker)
        one.drain(2)
        first, second = _times(broker)
        assert began <= first < second < _server_time(broker) + 1e-3
        one.channel.qos.timed(second + 3600, 0)  # as if the server's clock had been put back an hour since
        for limit in (4, 6):
            one.channel.basic_qos(0, limit, False)
            one.drain(2)
        times = _times(broker)
        assert times == sorted({*times})
        assert times[2] >= second + 3600
        _renewed(one)
        assert broker.unacked() == [0, 1, 2, 3, 4, 5]


def test_a_full_server_lets_a_worker_renew(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        broker = Broker(redis_url, "", client)
        broker.publish(*range(3))
        with consuming(broker) as one:
            one.drain(3)
            before = _times(broker)
            client.config_set("maxmemory", 1)
            try:
                _renewed(one)
            finally:
                client.config_set("maxmemory", 0)
            assert all(late > early for late, early in zip(_times(broker), before, strict=True))


@pytest.mark.parametrize("died_in", ["the search", "nothing"])
def test_who_dies_while_it_restores_keeps_others_from_it_for_a_moment(broker: Broker, died_in: str) -> None:
    broker.publish("abandoned")
    with consuming(broker) as one:
        one.drain(1)
        abandon(one)
    if died_in == "the search":
        broker.client.set(f"{broker.prefix}unacked_mutex", "dead", ex=1)
    with consuming(broker, visibility_timeout=0, unacked_restore_throttle=1) as other:
        wait_until(lambda: other.turn().bodies == ["abandoned"], "it is restored")
        abandon(other)
