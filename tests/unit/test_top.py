"""What `top` draws and counts, without a server: what is unknown is never shown as nothing."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console

from models.batch.outcome import Answer, Parked, StoredOutcome
from models.domain.outcome import Code, Status
from worker.brokers.queue_watch import QueueNow
from worker.cli.top.screen import screen
from worker.doctor.workers import Report
from worker.observability.recent import WINDOW_S, Recent
from worker.top.broker_look import BrokerNow
from worker.top.looking import Looking, Seen

Answers = Sequence[tuple[Any, Answer]]


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def drawn(broker: Seen[BrokerNow] | None) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(screen(None, broker))
    return captured.get()


def batch(*codes: Code, parked: int = 0, replayed: bool = False) -> Answers:
    request = SimpleNamespace(message=SimpleNamespace(headers={}, properties={}))
    found: list[Answer] = [StoredOutcome(uuid4(), Status.APPLIED, code, "{}", replayed) for code in codes]
    return [(request, answer) for answer in [*found, *(Parked("no") for _ in range(parked))]]


def test_a_worker_tells_its_last_minute_and_forgets_the_rest() -> None:
    clock = Clock()
    recent = Recent(clock)
    clock.now += 10
    recent.settled(batch(*[Code.APPLIED] * 98), 0.1)
    recent.settled(batch(Code.INSUFFICIENT_FUNDS, parked=1), 2.0)
    recent.settled([], 9.0)
    assert recent.told() == {
        "seconds": 10.0, "jobs": 100, "batches": 2, "codes": {"applied": 98, "insufficient_funds": 1, "parked": 1},
        "replayed": 0, "apply_s": {"p50": 0.1, "p99": 2.0}, "publish_to_commit_s": None,
    }  # fmt: skip
    clock.now += WINDOW_S + 1
    recent.settled(batch(Code.APPLIED, replayed=True), 0.5)
    told = recent.told()
    assert (told["seconds"], told["jobs"], told["replayed"]) == (WINDOW_S, 1, 1)


def test_what_a_worker_does_not_remember_is_no_part_of_the_time_that_it_tells_of() -> None:
    clock = Clock()
    recent = Recent(clock)
    for _ in range(6_000):
        clock.now += 0.001
        recent.settled(batch(Code.APPLIED), 0.001)
    told = recent.told()
    assert told["jobs"] == 5_000
    assert told["jobs"] / told["seconds"] == pytest.approx(1_000, rel=0.01)


def test_what_nobody_knows_is_not_shown_as_nothing() -> None:
    known = QueueNow("balance", 5, 3.0, oldest_known=True)
    unsaid = QueueNow("other", 5, 3.0)
    on_rabbitmq = QueueNow("third", 5, consumers=2)
    text = drawn(Seen(BrokerNow([known, unsaid, on_rabbitmq], [Report("old@host", {"queues": []}, 0.0)])))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    assert rows["balance"] == ["5", "3.0", "s"]
    assert rows["other"] == ["5", "≥", "3.0", "s"]
    assert rows["third"] == ["5", "unknown", "2", "consumers"]
    assert rows["old@host"] == ["unknown"] * 7
    assert "no worker answered" in drawn(Seen(BrokerNow([known], [])))
    away = drawn(Seen(error="gone away"))
    assert away.count("unknown: gone away") == 2
    assert "no worker answered" not in away
    assert drawn(None).count("asking…") == 3


def test_what_is_old_is_said_to_be() -> None:
    text = drawn(Seen(BrokerNow([QueueNow("balance", 5, 3.0)], []), at=monotonic() - 300))
    assert "what follows is 5 min old" in text
    assert "balance" in text


def test_a_source_that_fails_is_asked_anew_and_leaves_nothing_behind() -> None:
    closed: list[int] = []
    answers: list[Any] = [OSError("gone"), "here"]

    class Source:
        def look(self) -> str:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return str(answer)

        def close(self) -> None:
            closed.append(1)

    looking = Looking(Source(), lambda error: f"because {error}")
    assert (looking.once().error, closed) == ("because gone", [1])
    assert (looking.once().found, closed) == ("here", [1])
