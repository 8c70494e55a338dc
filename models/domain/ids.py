"""Ids that sort by time (UUID version 7, RFC 9562), so that new rows go to the end of their index."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from models.python310 import UTC

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def uuid7(at: datetime, counter: int, random: int) -> UUID:
    """The id made at `at`, the `counter`-th of its batch (12 bits), with 62 bits of `random`."""
    milliseconds = (at - _EPOCH) // _MILLISECOND
    value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | (counter & 0xFFF) << 64
    return UUID(int=value | 0b10 << 62 | random & (2**62 - 1))


def second_id(first: UUID) -> UUID:
    """The id of what belongs to the same job and needs one of its own. It sorts with its job: ids of jobs are even."""
    return UUID(int=first.int ^ 1)
