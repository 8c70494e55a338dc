"""Times of intervals, and months: where the policy lives, whatever the clock does there."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from models.domain.auto_topup.calendar import month_of, next_time
from models.domain.charging.policies import Interval

SECOND = timedelta(seconds=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(interval: Interval, anchor: str, zone: str | None, count: int) -> list[str]:
    """The first times, as the clock of the place shows them."""
    place = ZoneInfo(zone or "UTC")
    at = datetime.fromisoformat(anchor).replace(tzinfo=place).astimezone(UTC)
    found, after = [], at - SECOND
    for _ in range(count):
        after = next_time(interval, at, zone, after)
        found.append(after.astimezone(place).strftime("%Y-%m-%d %H:%M"))
    return found


DST = "Europe/Berlin", "America/New_York"
CASES: list[tuple[Interval, str | None, list[str]]] = [
    (Interval.DAILY, None, ["2027-02-27 09:00", "2027-02-28 09:00", "2027-03-01 09:00"]),
    (Interval.WEEKLY, None, ["2027-12-27 09:00", "2028-01-03 09:00", "2028-01-10 09:00"]),
    (Interval.MONTHLY, None, ["2027-01-31 09:00", "2027-02-28 09:00", "2027-03-31 09:00"]),
    (Interval.MONTHLY, None, ["2028-01-31 09:00", "2028-02-29 09:00", "2028-03-31 09:00"]),
    (Interval.MONTHLY, None, ["2028-01-30 09:00", "2028-02-29 09:00", "2028-03-30 09:00"]),
    (Interval.MONTHLY, None, ["2027-11-30 09:00", "2027-12-30 09:00", "2028-01-30 09:00"]),
    (Interval.QUARTERLY, None, ["2027-11-30 09:00", "2028-02-29 09:00", "2028-05-30 09:00"]),
    (Interval.YEARLY, None, ["2028-02-29 09:00", "2029-02-28 09:00", "2030-02-28 09:00"]),
    (Interval.YEARLY, None, ["2027-02-28 09:00", "2028-02-28 09:00", "2029-02-28 09:00"]),
    # The hour that there is not is the next one; of the hour that there is twice it is the first.
    (Interval.DAILY, DST[0], ["2027-03-27 02:30", "2027-03-28 03:30", "2027-03-29 02:30"]),
    (Interval.DAILY, DST[0], ["2027-10-30 02:30", "2027-10-31 02:30", "2027-11-01 02:30"]),
    (Interval.DAILY, DST[1], ["2027-03-13 02:30", "2027-03-14 03:30", "2027-03-15 02:30"]),
    (Interval.DAILY, DST[1], ["2027-11-06 01:30", "2027-11-07 01:30", "2027-11-08 01:30"]),
    (Interval.WEEKLY, DST[0], ["2027-03-21 02:30", "2027-03-28 03:30", "2027-04-04 02:30"]),
    (Interval.MONTHLY, DST[1], ["2027-10-31 23:30", "2027-11-30 23:30", "2027-12-31 23:30"]),
    (Interval.MONTHLY, "Asia/Tokyo", ["2027-01-31 00:30", "2027-02-28 00:30", "2027-03-31 00:30"]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(filter(None, (case[0], case[1], case[2][0]))))
def test_the_clock_of_the_place_says_the_same(case: tuple[Interval, str | None, list[str]]) -> None:
    interval, zone, expected = case
    assert times(interval, expected[0], zone, 3) == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", None])
@pytest.mark.parametrize("interval", Interval)
def test_times_follow_one_after_the_other_and_one_is_as_good_to_begin_with(
    interval: Interval, zone: str | None
) -> None:
    for anchor in ("2027-01-31 01:30", "2027-03-28 02:30", "2027-10-31 02:30", "2028-02-29 00:00"):
        at = datetime.fromisoformat(anchor).replace(tzinfo=ZoneInfo(zone or "UTC")).astimezone(UTC)
        found = [at]
        for _ in range(400 if interval is Interval.DAILY else 60):
            found.append(next_time(interval, at, zone, found[-1]))
        gaps = [later - earlier for earlier, later in pairwise(found)]
        assert min(gaps) >= timedelta(hours=22)
        for earlier, later in pairwise(found):
            # Nobody need have asked before.
            assert next_time(interval, at, zone, later - SECOND) == later
            assert next_time(interval, at, zone, earlier + (later - earlier) / 2) == later


def test_in_the_hour_that_there_is_twice() -> None:
    first, second = utc("2027-10-31 00:30"), utc("2027-10-31 01:30")  # 02:30 in Berlin, both
    assert next_time(Interval.DAILY, second, "Europe/Berlin", second - SECOND) == second
    assert next_time(Interval.DAILY, second, "Europe/Berlin", second) == utc("2027-11-01 01:30")
    assert next_time(Interval.DAILY, first, "Europe/Berlin", first) == utc("2027-11-01 01:30")


def test_an_anchor_in_the_future_is_the_first() -> None:
    anchor = utc("2031-05-31 12:00")
    for after in ("2027-01-01", "2031-05-30 12:00", "2031-05-31 11:59"):
        assert next_time(Interval.MONTHLY, anchor, "Asia/Tokyo", utc(after)) == anchor
    assert next_time(Interval.MONTHLY, anchor, "Asia/Tokyo", anchor) == utc("2031-06-30 12:00")


def test_an_anchor_of_long_ago() -> None:
    assert next_time(Interval.DAILY, utc("1970-01-01 06:00"), None, utc("2027-01-01 06:00")) == utc("2027-01-02 06:00")
    for interval in Interval:
        for zone in ("America/New_York", "Asia/Tokyo"):
            assert next_time(interval, utc("0001-01-01 00:00"), zone, utc("2027-01-01 06:00")) > utc("2027-01-01 06:00")


@pytest.mark.parametrize(
    ("at", "zone", "first", "end"),
    [
        ("2027-01-15 12:00", None, "2027-01-01 00:00", "2027-02-01 00:00"),
        ("2027-12-31 23:59", None, "2027-12-01 00:00", "2028-01-01 00:00"),
        ("2028-01-01 00:00", None, "2028-01-01 00:00", "2028-02-01 00:00"),
        ("2027-12-31 14:59", "Asia/Tokyo", "2027-11-30 15:00", "2027-12-31 15:00"),
        ("2027-12-31 15:00", "Asia/Tokyo", "2027-12-31 15:00", "2028-01-31 15:00"),
        ("2028-01-01 04:59", "America/New_York", "2027-12-01 05:00", "2028-01-01 05:00"),
        ("2028-01-01 05:00", "America/New_York", "2028-01-01 05:00", "2028-02-01 05:00"),
        ("2027-03-31 21:59", "Europe/Berlin", "2027-02-28 23:00", "2027-03-31 22:00"),
        ("2027-03-31 22:00", "Europe/Berlin", "2027-03-31 22:00", "2027-04-30 22:00"),
        ("2026-11-01 03:59", "America/Havana", "2026-10-01 04:00", "2026-11-01 04:00"),
        ("2026-11-01 04:30", "America/Havana", "2026-11-01 04:00", "2026-12-01 05:00"),
        ("2026-11-01 05:30", "America/Havana", "2026-11-01 04:00", "2026-12-01 05:00"),
        ("2028-02-29 09:59", "Pacific/Kiritimati", "2028-01-31 10:00", "2028-02-29 10:00"),
    ],
)  # fmt: skip
def test_month_of(at: str, zone: str | None, first: str, end: str) -> None:
    assert month_of(utc(at), zone) == (utc(first), utc(end))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "America/Havana", "UTC"])
def test_every_time_is_in_one_month(zone: str) -> None:
    end = utc("2026-01-01 12:00")
    for _ in range(36):
        first, end = month_of(end, zone)
        assert first < end
        assert month_of(end - timedelta(microseconds=1), zone) == (first, end)
        assert month_of(first, zone) == (first, end)
