"""Beats whose clock is wrong."""

from __future__ import annotations

import random
from typing import Final

from tests.chaos.faults.fault import Fault
from tests.chaos.site import DAY_S, Site

_SHIFTS_S: Final = (-6, -60, -3600, -30 * DAY_S, 60, 3600, 30 * DAY_S)
BEATS: Final = ("beat-1", "beat-2")


class BeatClock(Fault):
    """Beats are started with another clock, keep their books by it, and then have their own again."""

    counts = "beat's clock off"
    holds = frozenset(BEATS)

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self._beats = how.choice((BEATS, BEATS, BEATS[:1], BEATS[1:]))
        self._shift_s = how.choice(_SHIFTS_S)
        self.what, self.seconds = f"{' and '.join(self._beats)} by {self._shift_s} s", how.uniform(6, 9.9)

    def begin(self) -> None:
        for name in self._beats:
            self.site.children[name].restart(self._shift_s)

    def end(self) -> None:
        for name in self._beats:
            self.site.children[name].restart()
