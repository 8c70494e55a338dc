"""Ids: UUID version 7 by its RFC, sorted by time, then by place in the batch."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from models.domain.ids import uuid7

AT = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def test_the_rfcs_own_example() -> None:
    # RFC 9562, appendix A.6
    assert uuid7(AT, 0xCC3, 0x18C4DC0C0C07398F) == UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")


@pytest.mark.parametrize(("counter", "random"), [(0, 0), (4095, 2**62 - 1), (4096, 2**64 - 1), (10**9, 2**80)])
def test_version_and_variant_whatever_the_numbers(counter: int, random: int) -> None:
    made = uuid7(AT, counter, random)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(AT.timestamp() * 1000), "the time is left alone"


def test_sorted_by_millisecond_then_by_place_in_the_batch() -> None:
    ids = [
        uuid7(AT, 0, 9),
        uuid7(AT, 1, 8),
        uuid7(AT, 4095, 7),
        uuid7(AT + timedelta(milliseconds=1), 0, 6),
        uuid7(AT + timedelta(days=9999), 0, 5),
    ]
    assert ids == sorted(ids)


def test_a_part_of_a_millisecond_does_not_count() -> None:
    assert uuid7(AT + timedelta(microseconds=999), 0, 0) == uuid7(AT, 0, 0)
