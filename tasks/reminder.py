"""What lasts is said at once, and again now and then: a log that repeats itself is not read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic


@dataclass(slots=True)
class Reminder:
    """What lasts is said at once, and again once a minute."""

    every_s: float = 60.0
    clock: Callable[[], float] = monotonic
    _said: dict[str, tuple[str, float]] = field(default_factory=dict)  # what was said last, by event, and when

    def due(self, event: str, what: str) -> bool:
        """Whether it is to be said now; the caller then says it."""
        last, at = self._said.get(event, ("", 0.0))
        now = self.clock()
        if last == what and now - at < self.every_s:
            return False
        self._said[event] = what, now
        return True
