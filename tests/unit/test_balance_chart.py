"""Where the line of a balance goes, and the marks of its axes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.store.read.finance.course import Course
from models.store.read.finance.moments import Stood
from models.store.read.finance.statements import Period
from worker.flower.pages.accounts.chart import Chart, chart

START = datetime(2027, 1, 1, tzinfo=UTC)


def drawn(*points: tuple[float, int], span: timedelta = timedelta(hours=10), scale: int = 2) -> Chart:
    """Of balances from parts of the span on."""
    end = START + span
    of = Period(START, end, Stood(0, points[0][1]), Stood(len(points), points[-1][1]))
    return chart(Course(of, tuple((START + part * span, units) for part, units in points), whole=True), scale)


def test_the_line_stands_still_until_it_jumps() -> None:
    assert drawn((0, 0), (0.25, 100), (0.5, 0), (1, 0)).line == "M0.0 1000.0H250.0V0.0H500.0V1000.0H1000.0V1000.0"


@pytest.mark.parametrize(
    ("lowest", "highest", "words"),
    [
        (0, 100, ["0", "0.5", "1"]),
        (0, 7_000, ["0", "20", "40", "60", "80"]),
        (-450, 120, ["-6", "-4", "-2", "0", "2"]),
        (999_900, 1_000_100, ["9999", "9999.5", "10000", "10000.5", "10001"]),
        (12_345, 12_345, ["123", "123.5"]),
        (0, 0, ["0", "0.01"]),
        (-(2**63) + 1, 2**63 - 1, ["-100000000000000000", "-50000000000000000", "0", "50000000000000000",
                                   "100000000000000000"]),
    ],
)  # fmt: skip
def test_amounts_are_round_and_reach_around_the_line(lowest: int, highest: int, words: list[str]) -> None:
    made = drawn((0, lowest), (1, highest))
    assert [mark.words for mark in made.amounts] == words
    assert [made.amounts[0].place, made.amounts[-1].place] == [100, 0]
    assert (made.lowest, made.highest) == (lowest, highest)


@pytest.mark.parametrize(
    ("span", "first", "last"),
    [
        (timedelta(minutes=2), "00:00:00", "00:02:00"),
        (timedelta(days=1), "01-01 00:00", "01-02 00:00"),
        (timedelta(days=30), "2027-01-01", "2027-01-31"),
    ],
)
def test_times_are_as_fine_as_the_span_needs(span: timedelta, first: str, last: str) -> None:
    marks = drawn((0, 0), (1, 0), span=span).times
    assert [mark.place for mark in marks] == [0, 25, 50, 75, 100]
    assert (marks[0].words, marks[-1].words) == (first, last)
