"""A balance over time as a stepped line: where the line is, and the marks and words of the axes. The drawing itself is
templates/chart.html, a vector graphic in the page's own colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from models.domain import money
from models.store.read.finance.course import Course

SIDE: Final = 1000  # of the square that the line is drawn in, and that is stretched to the page
_MARKS: Final = 4  # of each axis, about: the distances between them
_NICE: Final = (1, 2, 5)
_SHORT: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis, in percent from the left or from the top, and what stands there."""

    place: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    line: str  # the d of a path
    amounts: tuple[Mark, ...]  # from below
    times: tuple[Mark, ...]
    lowest: int  # of what is drawn, in units
    highest: int


def chart(course: Course, scale: int) -> Chart:
    """The chart of a course whose balances have this scale."""
    since, until = course.of.since, course.of.until
    balances = [balance for _, balance in course.points]
    lowest, highest = min(balances), max(balances)
    marks = _amounts(lowest, highest)
    bottom, top = marks[0], marks[-1]

    def down(units: int) -> float:
        return (top - units) / (top - bottom)

    def across(at: datetime) -> float:
        return (at - since) / (until - since)

    return Chart(
        line=_line([(across(at) * SIDE, down(balance) * SIDE) for at, balance in course.points]),
        amounts=tuple(Mark(down(each) * 100, money.text(money.from_units(each, scale))) for each in marks),
        times=tuple(Mark(across(at) * 100, _written(at, until - since)) for at in _times(since, until)),
        lowest=lowest,
        highest=highest,
    )


def _line(points: Sequence[tuple[float, float]]) -> str:
    """It stands still until the next point, and jumps there."""
    (left, top), *rest = points
    return f"M{left:.1f} {top:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in rest)


def _amounts(lowest: int, highest: int) -> Sequence[int]:
    """Round numbers of units at equal distances, from below the lowest to above the highest."""
    step = _step(highest - lowest or max(1, abs(highest) // 100))
    first, last = lowest // step, -(-highest // step)
    return range(first * step, (max(last, first + 1) + 1) * step, step)


def _step(span: int) -> int:
    """The least round number that a span has few of."""
    return next(step for step in _round_numbers() if step * _MARKS >= span)


def _round_numbers() -> Iterator[int]:
    power = 1
    while True:
        yield from (nice * power for nice in _NICE)
        power *= 10


def _times(since: datetime, until: datetime) -> Sequence[datetime]:
    return [since + (until - since) * number / _MARKS for number in range(_MARKS + 1)]


def _written(at: datetime, span: timedelta) -> str:
    return at.strftime("%H:%M:%S" if span < timedelta(hours=1) else "%m-%d %H:%M" if span < _SHORT else "%Y-%m-%d")
