"""What time it is where the ledger is, for what is judged about a message before it gets there: its age.

A worker whose own clock is wrong would find every signature stale, or none.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from worker.clock import now


class LedgerClock:
    """The database's, as it went on since it was last looked at; this machine's before that."""

    def __init__(self) -> None:
        self._seen: tuple[datetime, float] | None = None  # its time, and our monotonic seconds

    def looked_at(self, time: datetime) -> None:
        """It says so now."""
        self._seen = time, monotonic()

    def now(self) -> datetime:
        """The time by it."""
        if self._seen is None:
            return now()
        time, at = self._seen
        return time + timedelta(seconds=monotonic() - at)


LEDGER_CLOCK: Final = LedgerClock()
