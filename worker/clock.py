"""The process's clock, for what concerns this process alone. What concerns money goes by the database's clock."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The time of this machine, in UTC."""
    return datetime.now(UTC)
