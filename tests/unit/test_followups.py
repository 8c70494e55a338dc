"""Sending follow-ups: what passes is retried, what lasts is given up at once, and one queue costs another nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from balance_client.publishing.confirmed import NotAccepted
from models.domain.retry import RetryPolicy
from worker.consuming.breaker import Breaker
from worker.consuming.callback_sender import FollowUps, GivenUp
from worker.publishers.callbacks import FollowUp, Links
from worker.settings.settings import Settings

_POLICY = RetryPolicy(base_s=0.1, cap_s=1.0, limit=4)


class _Broker:
    """Fails for these queues: so many times, for ever (None), or as there is no such queue ("missing")."""

    def __init__(self, **failing: int | str | None) -> None:
        self.failing, self.taken = failing, list[str]()

    def send_once(self, addressed: Sequence[tuple[str, Any]]) -> None:
        for queue in sorted({queue for queue, _ in addressed}):
            left = self.failing.get(queue, 0)
            if left == 0:
                continue
            if isinstance(left, int):
                self.failing[queue] = left - 1
            raise NotAccepted(f"queue {queue}", lasting=left == "missing")
        self.taken += [queue for queue, _ in addressed]


def _to(*queues: str) -> list[FollowUp]:
    callbacks = tuple({"task": "note", "options": {"queue": queue}} for queue in queues)
    return Links(callbacks).after_outcome("id", "root", {})


def _sender(broker: _Broker) -> FollowUps:
    sender = FollowUps(Settings(), _POLICY, lambda: 0.5)
    sender._publisher = broker  # type: ignore[assignment]  # the broker's place
    return sender


def _run(sender: FollowUps, follow_ups: list[FollowUp]) -> tuple[list[float], list[str]]:
    """The pauses, and the queues of what was given up."""
    pauses, steps = [], sender.sending(follow_ups)
    while True:
        try:
            pauses.append(next(steps))
        except StopIteration as done:
            given_up: list[GivenUp] = done.value
            return pauses, [each.queue for each, _ in given_up]


@pytest.mark.parametrize(
    ("failing", "pauses", "given_up"),
    [
        ({}, 0, []),
        ({"b": 2}, 1, []),
        ({"b": None}, 3, ["b"]),
        ({"b": "missing"}, 0, ["b"]),
        ({"b": None, "c": "missing"}, 3, ["c", "b"]),
        ({"a": 2, "b": 2, "c": 2}, 2, []),
    ],
)
def test_what_passes_is_retried_and_the_rest_is_given_up(failing: Any, pauses: int, given_up: list[str]) -> None:
    broker = _Broker(**failing)
    waited, lost = _run(_sender(broker), _to("a", "b", "c"))
    assert (len(waited), lost) == (pauses, given_up)
    assert waited == sorted(waited)
    assert {*broker.taken} == {"a", "b", "c"} - {*given_up}


def test_the_next_batch_does_not_wait_for_what_has_just_been_given_up() -> None:
    sender = _sender(_Broker(full=None))
    assert len(_run(sender, _to("full"))[0]) == _POLICY.limit - 1
    assert _run(sender, _to("full", "a")) == ([], ["full"])


def test_a_breaker_is_open_for_longer_each_time_and_closes_with_the_first_success() -> None:
    at = [100.0]
    breaker = Breaker(base_s=1.0, cap_s=5.0, clock=lambda: at[0])

    def is_open(after_s: float) -> bool:
        at[0] += after_s
        return breaker.is_open

    for seconds in (1.0, 2.0, 4.0, 5.0, 5.0):
        breaker.failed()
        assert is_open(after_s=seconds - 0.01)
        assert not is_open(after_s=0.02)
    breaker.failed()
    breaker.succeeded()
    assert not is_open(after_s=0)
