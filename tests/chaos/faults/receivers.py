"""The receiver of webhooks, beyond what it does to some of the requests all the time."""

from __future__ import annotations

import random

from tests.chaos.events.receiver import FAILURES
from tests.chaos.faults.fault import RECEIVER, Fault
from tests.chaos.site import Site


class ReceiverDown(Fault):
    """Nobody listens."""

    counts = "webhook receiver down"
    holds = frozenset({RECEIVER})

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(1, 6)

    def begin(self) -> None:
        self.site.receiver.refuse()

    def end(self) -> None:
        self.site.receiver.listen()


class ReceiverFails(Fault):
    """It does the same to every request."""

    counts = "webhook receiver failed all"
    holds = frozenset({RECEIVER})

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.what, self.seconds = how.choice(FAILURES), how.uniform(1, 6)

    def begin(self) -> None:
        self.site.receiver.mood = self.what

    def end(self) -> None:
        self.site.receiver.mood = None


class ReceiverSilent(ReceiverFails):
    """Every request is answered too late. Money must not notice."""

    counts = "webhook receiver silent"
    harmless = True

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.what, self.seconds = "late", how.uniform(5, 7)
