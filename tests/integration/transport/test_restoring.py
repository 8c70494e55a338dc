"""Messages that were taken and not settled come back, in the order in which they were."""

import json
from typing import Any

import pytest
import redis

from tests.integration.transport.brokers import Broker, Consumption, Kind, abandon, consuming, wait_until
from worker.brokers.redis.unacked import FIRST_TAG


@pytest.mark.parametrize(("kind", "expected"), [("atomic", [0, 1, 2, 3, 4]), ("stock", [2, 1, 0, 3, 4])])
def test_closing_gives_back_in_the_original_order(broker: Broker, kind: Kind, expected: list[int]) -> None:
    broker.publish(*range(5))
    with consuming(broker, kind=kind, prefetch=3) as one:
        one.drain(3)
    assert broker.unacked() == []
    assert broker.waiting() == expected


def test_more_than_are_restored_in_one_call_keep_their_order_too(broker: Broker) -> None:
    broker.publish(*range(250))
    with consuming(broker, prefetch=240) as one:
        one.drain(240)
    assert broker.waiting() == list(range(250))


def test_each_goes_back_to_its_own_queue_and_priority(broker: Broker) -> None:
    for name in "ab":
        for priority in (0, 9):
            broker.publish(*(f"{name}{priority}{i}" for i in range(3)), to=name, priority=priority)
    with consuming(broker, "a", "b") as one:
        one.drain(12)
    for name in "ab":
        assert broker.waiting(name) == [f"{name}0{i}" for i in range(3)]
        assert broker.waiting(f"{name}\x06\x169") == [f"{name}9{i}" for i in range(3)]


def test_what_is_requeued_comes_first_again_in_order_and_is_marked(broker: Broker) -> None:
    broker.publish(*range(6))
    with consuming(broker, prefetch=4) as one:
        one.drain(4)
        for number in (2, 0, 3):  # in whatever order they are given up
            one.messages[number].requeue()
        assert one.drain(3) == [0, 2, 3]
        assert [message.delivery_info.get("redelivered") for message in one.messages] == [None] * 4 + [True] * 3
        assert broker.unacked() == [1, 0, 2, 3]
        assert broker.waiting() == [4, 5]


def test_what_is_requeued_after_cancelling_is_back_in_order_after_closing(broker: Broker) -> None:
    broker.publish(*range(5))
    with consuming(broker, prefetch=4) as one:
        one.drain(4)
        one.channel.basic_cancel(next(iter(one.channel._consumers)))
        for number in (3, 1, 2):
            one.messages[number].requeue()
    assert broker.waiting() == list(range(5))


def test_the_abandoned_are_restored_after_the_visibility_timeout_in_order(broker: Broker) -> None:
    broker.publish(*range(8))
    for _ in range(2):  # two workers die one after the other
        with consuming(broker, prefetch=3) as one:
            one.drain(3)
            abandon(one)
    assert broker.unacked() == [0, 1, 2, 3, 4, 5]
    options: dict[str, Any] = {"unacked_restore_throttle": 1, "visibility_timeout": 3600}
    with consuming(broker, prefetch=1, **options) as other:
        assert other.drain(1) == [6], "not before"
        abandon(other)
    options["visibility_timeout"] = 0
    with consuming(broker, on_message=lambda message: message.ack(), **options) as rescuer:
        wait_until(lambda: len(rescuer.turn().bodies) == 8, "all are restored and consumed")
        got = rescuer.bodies
        assert sorted(got) == list(range(8))
        assert [number for number in got if number < 6] == [0, 1, 2, 3, 4, 5]
    assert broker.unacked() == []


def test_only_one_worker_at_a_time_restores(broker: Broker) -> None:
    broker.publish("abandoned")
    with consuming(broker) as one:
        one.drain(1)
        abandon(one)
    broker.client.set(f"{broker.prefix}unacked_mutex", "another", ex=60)
    with broker.connect(visibility_timeout=0) as connection:
        qos = connection.channel().qos
        qos.restore_visible(num=None, interval=1)
        assert broker.waiting() == []
        broker.client.delete(f"{broker.prefix}unacked_mutex")
        qos.restore_visible(num=None, interval=1)
        assert broker.waiting() == ["abandoned"]


def test_one_restored_by_two_is_there_once(broker: Broker) -> None:
    broker.publish("one")
    with consuming(broker) as one:
        one.drain(1)
        with broker.connect(visibility_timeout=0) as connection:
            connection.channel().qos.restore_visible(num=None, interval=1)
    assert broker.waiting() == ["one"]


def test_one_settled_meanwhile_is_not_restored(broker: Broker) -> None:
    broker.publish("one")
    with consuming(broker) as one:
        one.drain(1)
        tag = one.messages[0].delivery_tag
        with broker.connect() as connection:
            qos = connection.channel().qos
            pushes = qos._pushes(tag, broker.client.hget(f"{broker.prefix}unacked", tag))
            assert len(pushes) == 1
            one.ack()
            one.turn()
            qos.move([(tag, pushes)], broker.client)
        assert broker.waiting() == []


def test_what_was_not_handed_over_goes_back_at_once(broker: Broker) -> None:
    broker.publish(*range(5))

    def fail_once(message: Any) -> None:
        if one.bodies == [0, 1]:
            raise RuntimeError("the handler of 1 failed")

    one: Consumption
    with consuming(broker, on_message=fail_once) as one:
        with pytest.raises(RuntimeError):
            one.drain(2)
        assert one.drain(3) == [2, 3, 4]
        assert [message.delivery_info.get("redelivered") for message in one.messages][2:] == [True] * 3
        assert broker.unacked() == [0, 1, 2, 3, 4]


def test_a_call_whose_answer_is_lost_is_undone(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.publish(*range(5))
    with consuming(broker, prefetch=3) as one:
        channel = one.channel
        run = channel._run_with_acks

        def lose(*args: Any) -> None:
            run(*args)
            raise redis.ConnectionError("cut")

        with monkeypatch.context() as patch:
            patch.setattr(channel, "_run_with_acks", lose)
            with pytest.raises(redis.ConnectionError):
                one.drain(1)
        assert broker.unacked() == [0, 1, 2]
        one.connection.collect()  # restores, as the broker answers; the next one would otherwise
    with consuming(broker) as two:
        assert two.drain(5) == [0, 1, 2, 3, 4]


def test_a_call_repeated_by_the_client_does_not_overwrite_records(broker: Broker) -> None:
    broker.publish(*range(4))
    with consuming(broker, prefetch=2) as one:
        one.drain(2)
        assert broker.unacked() == [0, 1]
        one.channel.qos._next_tag = 0  # as if the same call were sent again
        with pytest.raises(redis.ResponseError, match="in use"):
            one.channel._take(["jobs"], 1)
        assert broker.unacked() == [0, 1]
        abandon(one)


def test_a_record_that_cannot_be_read_or_routed_is_kept(broker: Broker) -> None:
    records = {
        "1": b"no json",
        "2": json.dumps([{"headers": None, "properties": {}}, "", "jobs"]).encode(),
        "3": json.dumps([{"headers": {}, "properties": {"delivery_info": {}}}, "no such exchange", "x"]).encode(),
    }
    broker.client.hset(f"{broker.prefix}unacked", mapping=records)
    broker.client.zadd(f"{broker.prefix}unacked_index", dict.fromkeys([*records, "4"], 1.0))
    with broker.connect() as connection:
        connection.channel().qos.restore_visible(num=None, interval=1)
    assert broker.names() <= {"_balance.garbage", "unacked_mutex"}
    kept = broker.client.lrange(f"{broker.prefix}_balance.garbage", 0, -1)
    assert sorted(kept) == sorted(b"\0%s\x06\x16" % tag.encode() + record for tag, record in records.items())


def test_equal_messages_are_told_apart_by_what_they_were_first_taken_under(broker: Broker) -> None:
    broker.publish("equal")
    [message] = broker.raw()
    broker.client.lpush(f"{broker.prefix}jobs", message, message)
    known: list[list[str]] = []
    for _ in range(3):
        with consuming(broker, prefetch=3) as one:
            one.drain(3)
            known.append([message.properties[FIRST_TAG] for message in one.messages])
    assert known[0] == known[1] == known[2]
    assert len(set(known[0])) == 3
