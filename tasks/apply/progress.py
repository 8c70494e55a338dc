"""Whether work gets on: what the last attempts at it came to, for whoever asks how this process is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True)
class Held:
    """A fault that work waits out; `next`: what to do about it. Met first and last at these monotonic seconds."""

    what: str
    next: str
    since: float
    last: float


class Progress:
    """Of all threads of a process."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self.passed_at = -math.inf  # monotonic seconds
        self.held: Held | None = None

    def passed(self) -> None:
        """Jobs were applied, or what had failed was done after all."""
        self.passed_at, self.held = self._clock(), None

    def failed(self, what: str, next_step: str) -> None:
        """Nothing was, and it is tried again."""
        at, before = self._clock(), self.held
        self.held = Held(what, next_step, at if before is None else before.since, at)
