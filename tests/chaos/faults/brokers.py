"""The broker, and where results go."""

from __future__ import annotations

import random
from typing import Final

from tests.chaos.faults.fault import BROKER, RESULTS, Fault
from tests.chaos.site import Site

_FROZEN_S: Final = (7.0, 9.0)  # past the socket timeout


class BrokerRestart(Fault):
    counts = "broker killed and restarted"
    holds = frozenset({BROKER})
    alone = True

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(0.5, 4)

    def begin(self) -> None:
        self.site.broker.kill()

    def end(self) -> None:
        self.site.broker.start()


class BrokerRefuses(Fault):
    """Redis at its memory limit, RabbitMQ with a memory or disk alarm."""

    counts = "broker refused writes"
    holds = frozenset({BROKER})

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(2, 6)

    def begin(self) -> None:
        self.site.broker.refuse(self.how)

    def end(self) -> None:
        self.site.broker.accept()


class ResultsFrozen(Fault):
    """The server of the results takes connections and answers nothing."""

    counts = "result backend frozen"
    holds = frozenset({RESULTS})
    harmless = True

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(*_FROZEN_S)

    def begin(self) -> None:
        self.site.results.freeze()

    def end(self) -> None:
        self.site.results.thaw()


class ResultsKilled(Fault):
    counts = "result backend killed and restarted"
    holds = frozenset({RESULTS})

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(1, 6)

    def begin(self) -> None:
        self.site.results.kill()

    def end(self) -> None:
        self.site.results.start()
