"""Which of the ticks that come in are run."""

from __future__ import annotations

import math

import pytest

from worker.beat.pace import Pace


@pytest.mark.parametrize(
    ("every_s", "came_at", "run_at"),
    [
        (5.0, [0, 5, 10, 15], [0, 5, 10, 15]),
        (5.0, [0, 4.9, 10.1, 14.8], [0, 4.9, 10.1, 14.8]),  # a network is not exact
        (5.0, [0, 0.1, 5, 5.1, 10, 10.1], [0, 5, 10]),  # two beats
        (5.0, [0, 2.4, 2.5, 2.6], [0, 2.5]),
        (3_600.0, [0, 0.1, 4.9, 5.0], [0, 5.0]),  # sent by hand
        (0.1, [0, 0.04, 0.05], [0, 0.05]),
        (5.0, [n / 1_000 for n in range(10_000)], [0, 2.5, 5.0, 7.5]),  # an outage is over
    ],
)
def test_a_tick_is_run_once_for_each_of_its_times(every_s: float, came_at: list[float], run_at: list[float]) -> None:
    clock = [0.0]
    pace, run = Pace(lambda: clock[0]), []
    for clock[0] in came_at:
        with pace.turn(every_s) as mine:
            run += [clock[0]] * mine
    assert run == run_at


def test_not_while_it_runs_already_however_long_that_takes() -> None:
    clock = [0.0]
    pace = Pace(lambda: clock[0])
    with pace.turn(1.0) as first:
        clock[0] = 1_000.0
        with pace.turn(1.0) as second:
            assert (first, second) == (True, False)
    with pace.turn(1.0) as third:
        assert third


def test_a_run_that_fails_keeps_no_later_one_from_its_turn() -> None:
    pace = Pace(lambda: math.inf)
    with pytest.raises(ZeroDivisionError), pace.turn(1.0):
        raise ZeroDivisionError
    clock = [0.0]
    pace = Pace(lambda: clock[0])
    with pytest.raises(ZeroDivisionError), pace.turn(1.0):
        raise ZeroDivisionError
    clock[0] = 1.0
    with pace.turn(1.0) as mine:
        assert mine
