"""What a fault is: it has a beginning and an end, and says what it holds meanwhile."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod

from tests.chaos.site import Site

BROKER, DATABASE, NETWORK, RESULTS, CONTROL, RECEIVER = (
    "broker", "database", "network", "results", "remote control", "receiver"
)  # fmt: skip


class Fault(ABC):
    """One thing that goes wrong for `seconds`. `counts`: under which name the report has it."""

    counts: str
    what: str = ""  # of it, in the words of the timeline
    seconds: float
    holds: frozenset[str]  # what no other fault may touch meanwhile: servers, networks, processes by name
    over_at_once = False  # what comes after its beginning is recovery
    alone = False  # not while a worker is paused; after it, with nothing else failing, each worker is looked at
    harmless = False  # to money: nothing else fails meanwhile, and every job is answered as if nothing were wrong
    asks_workers = False  # it ends when a worker says so, who has to be reached for it: after the others
    wrong: str | None = None  # what the product did that it may not

    def __init__(self, site: Site, how: random.Random) -> None:
        self.site, self.how = site, how

    def __str__(self) -> str:
        return f"{self.counts} {self.what}".rstrip()

    @property
    def lasts(self) -> bool:
        """Whether it goes on by itself, however long it was to take. Other faults come and go meanwhile."""
        return False

    @abstractmethod
    def begin(self) -> None: ...

    @abstractmethod
    def end(self) -> None: ...
