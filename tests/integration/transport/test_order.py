"""Order: within a queue, between queues and priorities, and that waiting changes none."""

from time import monotonic
from typing import Any

import pytest

from tests.integration.transport.brokers import Broker, Consumption, Kind, abandon, consuming

_PRIORITIES = (0, 3, 6, 9)


def test_a_look_returns_the_next_message_and_changes_nothing(broker: Broker) -> None:
    for length in (1, 2, 5):
        key = f"{broker.prefix}list{length}"
        broker.client.lpush(key, *range(length))
        broker.client.pexpire(key, 600_000)
        before = broker.client.lrange(key, 0, -1)
        for _ in range(3):
            assert broker.client.blmove(key, key, 1, "RIGHT", "RIGHT") == b"0"
        assert broker.client.lrange(key, 0, -1) == before
        assert broker.client.pttl(key) > 0, "a queue that expires must go on to expire"


def test_a_blocked_look_leaves_what_wakes_it_and_its_expiry(broker: Broker) -> None:
    with consuming(broker, prefetch=1) as one:
        key = f"{broker.prefix}jobs"
        one.turn()  # now it is blocked
        with broker.client.pipeline() as pipe:
            pipe.lpush(key, b"first", b"second").pexpire(key, 600_000).execute()
        peek = one.channel.peeks[f"BLMOVE {key}"]
        assert peek.read()
        assert broker.client.lrange(key, 0, -1) == [b"second", b"first"]
        assert broker.client.pttl(key) > 0
        broker.client.delete(key)


@pytest.mark.parametrize("prefetch", [0, 1, 7])
def test_a_queue_is_read_in_the_order_of_publishing(broker: Broker, prefetch: int) -> None:
    broker.publish(*range(20))
    with consuming(broker, prefetch=prefetch, on_message=lambda message: message.ack()) as one:
        assert one.drain(20) == list(range(20))
        broker.publish(*range(20, 25))
        assert one.drain(5) == list(range(20, 25))
        one.turn()
        assert broker.unacked() == []


def test_waiting_wakes_at_once_for_every_queue_and_priority(broker: Broker) -> None:
    hour = 3600.0  # the timeout of waiting: only a wake-up can explain what comes before that
    with consuming(broker, "a", "b", "c", prefetch=100, polling_interval=hour) as one:
        one.connection.transport.polling_interval = None  # which would also be slept
        assert one.channel.brpop_timeout == hour
        for name in "cab":
            for priority in _PRIORITIES:
                one.turn()
                began = monotonic()
                broker.publish(f"{name}{priority}", to=name, priority=priority)
                assert one.drain(1) == [f"{name}{priority}"]
                assert monotonic() - began < 5


_LOADS: list[dict[tuple[str, int], int]] = [
    {("a", 0): 5, ("b", 0): 2, ("c", 0): 3},
    {("a", 0): 2, ("a", 9): 2, ("b", 3): 3, ("c", 0): 1, ("c", 6): 2},
    {("a", 9): 1, ("b", 6): 1, ("c", 3): 1},
]


@pytest.mark.parametrize("strategy", ["round_robin", "priority", "sorted"])
@pytest.mark.parametrize("load", _LOADS)
def test_queues_take_turns_as_with_the_stock_transport(
    broker: Broker, strategy: str, load: dict[tuple[str, int], int]
) -> None:
    def sequence(kind: Kind, prefetch: int) -> list[Any]:
        for (name, priority), count in load.items():
            broker.publish(*(f"{name}{priority}.{i}" for i in range(count)), to=name, priority=priority)
        options: dict[str, Any] = {"kind": kind, "prefetch": prefetch, "queue_order_strategy": strategy}
        with consuming(broker, "b", "a", "c", on_message=lambda message: message.ack(), **options) as one:
            return one.drain(sum(load.values()))

    expected = sequence("stock", 1)
    assert sequence("atomic", 0) == expected, "all in one call"
    assert sequence("atomic", 1) == expected, "one at a time"
    assert sequence("atomic", 2) == expected


def test_no_more_are_taken_than_may_be_held(broker: Broker) -> None:
    broker.publish(*range(10))
    with consuming(broker, prefetch=4) as one:
        assert one.drain(4) == [0, 1, 2, 3]
        one.turn()
        assert one.bodies == [0, 1, 2, 3]
        assert broker.unacked() == [0, 1, 2, 3]
        one.messages[1].ack()
        one.messages[2].reject()
        assert one.drain(2) == [4, 5]
        assert broker.unacked() == [0, 3, 4, 5]
        one.channel.basic_qos(0, 5, False)
        assert one.drain(1) == [6]


def test_a_worker_that_may_not_prefetch_takes_one_at_a_time(broker: Broker) -> None:
    broker.publish(*range(3))
    free = 1
    with consuming(broker, prefetch=100) as one:
        one.channel.qos.can_consume = lambda: len(one.bodies) < free  # as worker_disable_prefetch does
        assert one.drain(1) == [0]
        assert broker.unacked() == [0]
        free = 2
        assert one.drain(1) == [1]
        assert broker.unacked() == [0, 1]


def test_unlimited_prefetching_takes_a_bounded_number_at_once(broker: Broker) -> None:
    broker.publish(*range(7))
    with consuming(broker, take_limit=3) as one:
        one.turn(5)
        assert one.bodies == [0, 1, 2]
        assert one.drain(4) == [3, 4, 5, 6]


def test_a_cancelled_queue_gets_back_what_was_taken_from_it(broker: Broker) -> None:
    broker.publish(*range(4))

    def cancel(_: Any) -> None:
        consumer_tag = next(iter(one.channel._consumers))
        one.channel._basic_cancel(consumer_tag)

    one: Consumption
    with consuming(broker, on_message=cancel) as one:
        assert one.drain(1) == [0]
        assert broker.unacked() == [0]
        assert broker.waiting() == [1, 2, 3]
        assert one.channel.peeks == {}
        abandon(one)


def test_a_queue_added_later_is_waited_for_and_one_cancelled_is_not(broker: Broker) -> None:
    with consuming(broker, "a") as one:
        one.turn()
        with consuming(broker, "a") as other:
            callback = one.connection.transport._callbacks["a"]
            assert callback
            other.channel.basic_consume("b", False, lambda message: other.bodies.append(message), "added")
            broker.publish("late", to="b")
            other.drain(1)
            assert [body.payload for body in other.bodies] == [{"job": "late"}]
            other.channel.basic_cancel("added")
            assert {peek.key.removeprefix(broker.prefix)[0] for peek in other.channel.peeks.values()} == {"a"}
