"""Times of a policy: the next of its interval, and the month that its cap is about, where it lives."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from models.domain.charging.policies import Interval
from models.python310 import UTC

Month = tuple[datetime, datetime]
"""Its first moment, and that of the next."""
_REPEATS: Final = 400  # years after which the calendar is the same, to the day of the week
_DAYS: Final = {Interval.DAILY: 1, Interval.WEEKLY: 7}
_MONTHS: Final = {Interval.MONTHLY: 1, Interval.QUARTERLY: 3, Interval.YEARLY: 12}


def next_time(interval: Interval, anchor: datetime, timezone: str | None, after: datetime) -> datetime:
    """The first time of the interval later than `after`; the anchor is the first of all.

    The clock of the place says the same each time. A month that lacks the anchor's day ends it: 31 January is followed
    by 28 or 29 February, and that by 31 March.
    """
    if anchor > after:
        return anchor
    if anchor.year < _REPEATS:
        anchor = anchor.replace(year=anchor.year + _REPEATS)  # in the year 1 it may be the year before elsewhere
    place = ZoneInfo(timezone or "UTC")
    local, now = anchor.astimezone(place), after.astimezone(place)
    if interval in _DAYS:
        step = (now.date() - local.date()).days // _DAYS[interval]
    else:
        step = (12 * (now.year - local.year) + now.month - local.month) // _MONTHS[interval]
    step = max(0, step - 1)  # the clock may have been put back or forward in between
    while (found := _nth(interval, local, step)) <= after:
        step += 1
    return found


def _nth(interval: Interval, local: datetime, step: int) -> datetime:
    if interval in _DAYS:
        return (local + timedelta(days=step * _DAYS[interval])).astimezone(UTC)
    months = 12 * local.year + local.month - 1 + step * _MONTHS[interval]
    year, month = months // 12, months % 12 + 1
    day = min(local.day, monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day).astimezone(UTC)


def month_of(at: datetime, timezone: str | None) -> Month:
    """The calendar month there at this time."""
    local = at.astimezone(ZoneInfo(timezone or "UTC"))
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    year, month = (first.year + 1, 1) if first.month == 12 else (first.year, first.month + 1)
    return first.astimezone(UTC), first.replace(year=year, month=month).astimezone(UTC)
