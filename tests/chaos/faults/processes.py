"""Processes of ours that are ended, or stand still."""

from __future__ import annotations

import random
from typing import Final

from tests.chaos.faults.fault import Fault
from tests.chaos.fleet import Child
from tests.chaos.site import HEARTBEAT_S, Site

# Past the lease, the socket timeout, RabbitMQ's heartbeat, idle-in-transaction, the visibility timeout and its sweep.
_PAUSE_S: Final = (2.0 * HEARTBEAT_S + 4, 2.0 * HEARTBEAT_S + 8)
_MOST: Final = "money-1", "money-2", "money-3", "money-1", "money-2", "money-3", "io-1", "io-2", "beat-1", "beat-2"


class _OfChild(Fault):
    candidates: tuple[str, ...] = _MOST

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.child: Child = site.children[how.choice(self.candidates)]
        self.what, self.holds = self.child.name, frozenset({self.child.name})
        self.seconds = how.uniform(0, 2)  # until a supervisor has noticed

    def end(self) -> None:
        self.child.start()


class Kill(_OfChild):
    counts = "killed (SIGKILL)"
    over_at_once = True

    def begin(self) -> None:
        self.child.kill()


class Stop(_OfChild):
    counts = "stopped (SIGTERM)"
    over_at_once = True

    def begin(self) -> None:
        self.child.stop()

    @property
    def lasts(self) -> bool:
        return self.child.stopping

    def end(self) -> None:
        self.wrong = self.child.farewell()
        super().end()


class Pause(_OfChild):
    counts = "paused (SIGSTOP)"
    candidates = (*_MOST[:3], "io-1", "io-2")

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(*_PAUSE_S)

    def begin(self) -> None:
        self.child.pause()

    def end(self) -> None:
        self.child.resume()
