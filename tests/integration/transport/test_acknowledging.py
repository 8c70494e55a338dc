"""Acknowledgements: a batch in one round trip, none lost while the process lives, each for its own delivery."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
import redis
from redis.connection import AbstractConnection

from tests.integration.transport.brokers import Broker, abandon, consuming


@contextmanager
def _round_trips(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The requests that are sent while the block runs; those of one pipeline are one."""
    sent: list[bytes] = []
    send: Any = AbstractConnection.send_packed_command

    def record(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(b"".join(command))
        return send(self, command, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", record)
        yield sent


def _but_looks(sent: list[bytes]) -> list[bytes]:
    return [request for request in sent if b"BLMOVE" not in request]


def test_a_batch_is_taken_in_one_round_trip_and_acknowledged_in_one(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.publish("first")
    with consuming(broker) as one:
        one.drain(1)  # connects, and the server knows the scripts
        broker.publish(*range(200))
        with _round_trips(monkeypatch) as sent:
            assert one.drain(200) == list(range(200))
            assert len(_but_looks(sent)) == 1
            sent.clear()
            one.ack()
            assert _but_looks(sent) == []
            one.channel.flush_acks()
            assert len(_but_looks(sent)) == 1
        assert broker.unacked() == []


def test_a_turn_of_the_event_loop_sends_what_is_acknowledged(broker: Broker) -> None:
    broker.publish(*range(5))
    with consuming(broker) as one:
        one.drain(5)
        one.ack()
        assert len(broker.unacked()) == 5
        one.turn()
        assert broker.unacked() == []


def test_under_load_acknowledging_costs_no_round_trip_of_its_own(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.publish(*range(12))
    with consuming(broker, prefetch=2, on_message=lambda message: message.ack()) as one:
        one.drain(2)
        with _round_trips(monkeypatch) as sent:
            assert one.drain(10) == list(range(2, 12))
            assert len(_but_looks(sent)) == 5
        one.turn()
        assert broker.unacked() == []


def test_many_are_acknowledged_by_tag_at_once(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.publish(*range(50))
    with consuming(broker, prefetch=50) as one:
        one.drain(50)
        with _round_trips(monkeypatch) as sent:
            one.channel.ack_many([message.delivery_tag for message in one.messages])
            assert len(sent) == 1
        assert broker.unacked() == []
        broker.publish("room again")
        assert one.drain(1) == ["room again"]


def test_closing_sends_what_is_acknowledged_and_gives_back_the_rest(broker: Broker) -> None:
    broker.publish(*range(4))
    with consuming(broker) as one:
        one.drain(4)
        one.messages[0].ack()
        one.messages[2].ack()
    assert broker.unacked() == []
    assert broker.waiting() == [1, 3]


def test_other_threads_acknowledge(broker: Broker) -> None:
    broker.publish(*range(100))
    with consuming(broker, prefetch=10) as one:
        while len(one.bodies) < 100:
            one.turn()
            thread = Thread(target=one.ack)
            thread.start()
            one.turn()
            thread.join()
        one.ack()
        one.turn()
        assert sorted(one.bodies) == list(range(100))
        assert broker.unacked() == []


def test_what_could_not_be_sent_is_sent_by_the_next_connection(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.publish("done", "not done")
    with consuming(broker) as one, monkeypatch.context() as down:
        one.drain(2)
        one.messages[0].ack()

        def fail(*_: Any, **__: Any) -> None:
            raise redis.ConnectionError

        down.setattr(AbstractConnection, "send_packed_command", fail)
        with pytest.raises(redis.ConnectionError):
            one.channel.flush_acks()
        one.connection.collect()  # as Celery does with a connection that failed
    assert broker.unacked() == ["done", "not done"]
    one.messages[1].ack()  # a task that ended after the connection did
    with consuming(broker) as two:
        two.turn()
        assert broker.unacked() == []


def test_a_job_taken_twice_has_two_records(broker: Broker) -> None:
    """Copies of a message carry one delivery tag, the producer's. Stock lets them share a record; here each has one."""
    broker.publish("copied")
    [copy] = broker.raw()
    broker.client.lpush(f"{broker.prefix}jobs", copy, copy)
    with consuming(broker) as one:
        assert one.drain(3) == ["copied"] * 3
        assert broker.unacked() == ["copied"] * 3
        one.messages[1].ack()
        one.turn()
        assert broker.unacked() == ["copied"] * 2
    assert broker.waiting() == ["copied"] * 2


def test_a_late_acknowledgement_spares_the_delivery_that_came_after(broker: Broker) -> None:
    broker.publish("slow")
    with consuming(broker) as slow:
        slow.drain(1)
        with broker.connect(visibility_timeout=0) as connection:
            connection.channel().qos.restore_visible(num=None, interval=1)
        with consuming(broker) as second:
            assert second.drain(1) == ["slow"]
            slow.ack()
            slow.turn()
            assert broker.unacked() == ["slow"]
            abandon(second)
