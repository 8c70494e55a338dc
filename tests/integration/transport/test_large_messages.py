"""Large messages are taken a few at a time, and held no more than so many bytes of them."""

from __future__ import annotations

from typing import Final

import pytest

from tests.integration.transport.brokers import Broker, consuming

_KIB: Final = 1024
_TAKE: Final = 200 * _KIB  # no more in one call once it has so many bytes; four times as many may be held
_LARGE: Final = "x" * (60 * _KIB)  # a third more on the wire


def test_no_more_is_held_than_so_many_bytes(broker: Broker) -> None:
    broker.publish(*[f"{number}{_LARGE}" for number in range(30)])
    with consuming(broker, take_bytes=_TAKE) as one:
        one.drain(30, timeout_s=0.5)
        held = len(one.messages)
        assert 800 / 82 <= held <= 1_100 / 82, "what the limit is passed by is less than one call more"
        assert held + len(broker.raw()) == 30
        seen = held
        while seen < 30:  # what is settled makes room, and all of them come, in their order
            one.ack()
            seen += len(one.drain(1))
        assert [body[: -len(_LARGE)] for body in one.bodies] == [str(number) for number in range(30)]
        one.ack()
    assert broker.unacked() == []


@pytest.mark.parametrize("put_back", ["rejected", "closed"])
def test_what_was_put_back_makes_room(broker: Broker, put_back: str) -> None:
    broker.publish(*[f"{number}{_LARGE}" for number in range(12)])
    with consuming(broker, take_bytes=_TAKE) as one:
        one.drain(12, timeout_s=0.5)
        assert 0 < len(one.messages) < 12 or not broker.raw()
        if put_back == "rejected":
            for message in one.messages:
                message.requeue()
            one.turn()
            assert not one.channel.qos.full
    with consuming(broker, take_bytes=100 * _TAKE) as two:
        assert len(two.drain(12)) == 12
        two.ack()


def test_small_ones_are_limited_by_number_alone(broker: Broker) -> None:
    broker.publish(*range(300))
    with consuming(broker, take_bytes=100 * _TAKE, prefetch=250) as one:
        one.drain(300, timeout_s=0.5)
        assert len(one.messages) == 250
        one.ack()
        assert len(one.drain(50)) == 50
        one.ack()


def test_one_that_is_larger_than_the_limit_is_taken_all_the_same(broker: Broker) -> None:
    broker.publish("a" * 5 * _TAKE, "b")
    with consuming(broker, take_bytes=_TAKE) as one:
        one.drain(1)
        assert [body[0] for body in one.bodies] == ["a"]
        one.ack()
        assert [body[0] for body in one.drain(1)] == ["b"]
        one.ack()
