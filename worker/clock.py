"""The process's clocks, for what concerns this process alone. What concerns money goes by the database's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final


def now() -> datetime:
    """The time of this machine, in UTC."""
    return datetime.now(UTC)


LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Before every `steady` time, by decades."""
_STEADY: Final = datetime(2000, 1, 1, tzinfo=UTC)


def steady() -> datetime:
    """A time of no calendar, for whoever takes times alone: it goes on evenly, whoever sets the machine's clock."""
    return _STEADY + timedelta(seconds=monotonic())
