"""What goes on in Flower's process: once a form, in order, to an end that is told."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event

from tests.acceptance.system import wait_until
from worker.clock import now
from worker.flower.runs import STOPPED, Run, Runs, Steps


def run(key: str, total: int = 3) -> Run:
    return Run(key, "Counting", "olga", "ticket 17", total, now())


def ended(runs: Runs, key: str) -> tuple[int, str | None]:
    found = runs.get(key)
    assert found is not None
    wait_until("the run to end", lambda: found.ended_at is not None)
    return found.done, found.trouble


def counting(*counts: int, error: Exception | None = None) -> Steps:
    def steps() -> Generator[int]:
        yield from counts
        if error is not None:
            raise error

    return steps


def test_a_run_ends_when_there_is_no_more_or_when_all_is_done() -> None:
    runs = Runs()
    for key, counts, done in (("short", (1, 1), 2), ("whole", (2, 1), 3), ("more", (2, 2, 2), 4)):
        runs.begin(run(key), counting(*counts), str)
        assert ended(runs, key) == (done, None)
    assert runs.get("nobody") is None
    runs.close()


def test_what_goes_wrong_ends_it_and_not_the_next() -> None:
    runs = Runs()
    runs.begin(run("bad"), counting(1, error=ValueError("odd")), lambda error: f"it is {error}")
    runs.begin(run("good"), counting(3), str)
    assert ended(runs, "bad") == (1, "it is odd")
    assert ended(runs, "good") == (3, None)
    runs.close()


def test_a_form_that_is_sent_twice_begins_one_run() -> None:
    runs = Runs()
    first = runs.begin(run("k"), counting(1), str)
    assert runs.begin(run("k"), counting(7), str) is first
    assert ended(runs, "k") == (1, None)
    runs.close()


def test_what_flower_ends_with_says_so() -> None:
    runs, began, go_on = Runs(), Event(), Event()

    def patient() -> Generator[int]:
        began.set()
        go_on.wait()
        yield 1
        yield 1

    one, two = runs.begin(run("one"), patient, str), runs.begin(run("two"), counting(1), str)
    began.wait()
    runs._stopping.set()
    go_on.set()
    runs.close()
    assert (one.done, one.trouble) == (1, STOPPED)
    assert (two.done, two.trouble is None) in ((0, False), (1, False)), "it was not begun, or ended after a step"


def test_those_that_ended_long_ago_are_forgotten_first() -> None:
    runs = Runs()
    for number in range(60):
        runs.begin(run(f"k{number}"), counting(3), str)
        assert ended(runs, f"k{number}") == (3, None)
    assert [runs.get(f"k{number}") is None for number in (0, 9, 10, 59)] == [True, True, False, False]
    runs.close()
