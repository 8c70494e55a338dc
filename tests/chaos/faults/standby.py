"""Two nodes of PostgreSQL: who is written to changes, the names that lead there change too, or later."""

from __future__ import annotations

import random

from tests.chaos.faults.fault import DATABASE, Fault
from tests.chaos.site import Site


class Promoted(Fault):
    """The primary is lost and the standby takes its place. No commit that anybody was told of is missing there."""

    counts = "standby promoted"
    holds = frozenset({DATABASE})
    alone = True

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self._crash, self._waits = how.random() < 0.5, how.random() < 0.5
        self.seconds = how.uniform(0.5, 3)
        self.what = f"after a {'crash' if self._crash else 'shutdown'}, commits {'' if self._waits else 'do not '}wait"
        self.what += " until it has a standby"

    def begin(self) -> None:
        postgres = self.site.postgres
        postgres.until_in_sync()  # only such a standby is fit to be promoted
        if self._crash:
            postgres.crash()
        else:
            postgres.primary.stop()

    def end(self) -> None:
        self.site.postgres.promote(waits=self._waits)
        self.site.point_at(self.site.postgres.primary)
        self.site.postgres.rejoin()


class StandbyAway(Fault):
    """Every commit waits for it."""

    counts = "synchronous standby away"
    holds = frozenset({DATABASE})

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(1, 6)

    def begin(self) -> None:
        self.site.postgres.standby.stop()

    def end(self) -> None:
        self.site.postgres.standby.start()
        self.site.postgres.until_in_sync()


class Misdirected(Fault):
    """The name of the database leads to the standby, then to the primary again. Nobody ends the sessions that were
    opened meanwhile: whoever has one has to find out."""

    counts = "name led to the standby"
    holds = frozenset({DATABASE})
    alone = True

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(2, 6)

    def begin(self) -> None:
        self.site.point_at(self.site.postgres.standby)
        for link in self.site.names:
            link.cut()

    def end(self) -> None:
        self.site.point_at(self.site.postgres.primary)
