"""A circuit breaker: what has just failed is left alone for a while, so that it cannot slow what does not need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from models.domain.retry import backoff_s


@dataclass(slots=True)
class Breaker:
    """Open for `base_s` seconds after a failure, twice as long after each further one in a row, at most `cap_s`."""

    base_s: float = 1.0
    cap_s: float = 30.0
    clock: Callable[[], float] = monotonic
    _failures: int = field(default=0, init=False)
    _open_until: float = field(default=0.0, init=False)

    @property
    def is_open(self) -> bool:
        return self.left_s > 0

    @property
    def left_s(self) -> float:
        """Seconds until it may be tried again."""
        return max(0.0, self._open_until - self.clock()) if self._failures else 0.0

    def failed(self) -> None:
        self._failures += 1
        self._open_until = self.clock() + backoff_s(self._failures, self.base_s, self.cap_s)

    def succeeded(self) -> None:
        self._failures = 0
