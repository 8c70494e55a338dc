"""Deals faults one after another, some overlapping, from a seed; and watches that nobody needs a hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import Final

from tests.chaos.faults import FAULTS, Fault, Pause
from tests.chaos.site import Site, wait_for

_AT_ONCE: Final = 3
_OVERLAP: Final = 0.4  # how often the next one does not wait for the end of the last
_CONSUMES_AGAIN_S: Final = 60.0
_TURN_S: Final = 0.1


@dataclass(slots=True)
class Ended:
    """A fault that is over. Killing and stopping are over at once: what follows is recovery."""

    what: str
    at: datetime


@dataclass
class Log:
    """What happened to the system, and what it may not have done."""

    counts: Counter[str] = field(default_factory=Counter)
    ended: list[Ended] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    consumed_again_s: list[float] = field(default_factory=list)  # after each restart of the broker, the last worker


class Schedule:
    """The faults of a run."""

    def __init__(self, site: Site, seed: str, tell: Callable[[str], None]) -> None:
        self._site, self._tell = site, tell
        self._random = random.Random(f"{seed}/faults")
        self._deck: list[type[Fault]] = []
        self._active: list[tuple[float, Fault]] = []
        self.log = Log()

    @property
    def active(self) -> list[str]:
        return [str(fault) for _, fault in self._active]

    def run(self, seconds: float, stop: Event) -> None:
        """Faults until the time is over, or `stop` is set; then all of them end."""
        over, next_at = monotonic() + seconds, monotonic()
        try:
            while monotonic() < over and not stop.is_set():
                self.watch()
                self._end_those_due()
                if monotonic() >= next_at and len(self._active) < _AT_ONCE:
                    self._begin_next()
                    quiet = 0.0 if self._random.random() < _OVERLAP else self._random.uniform(0.5, 3)
                    longest = max((due for due, fault in self._active if fault.seconds < 10), default=monotonic())
                    next_at = (longest if quiet else monotonic()) + quiet
                stop.wait(_TURN_S)
        finally:
            self._end_all()

    def watch(self) -> None:
        """A process that ended by itself is a finding; it is started again, to see what else there is."""
        for child in self._site.children.values():
            if (fallen := child.fallen()) is not None:
                self._find(fallen)
                child.start()

    def _begin_next(self) -> None:
        if not self._deck:
            self._deck = [*FAULTS]
            self._random.shuffle(self._deck)
        fault = self._deck.pop()(self._site, random.Random(self._random.random()))
        if any(self._clash(fault, other) for _, other in self._active):
            self._deck.insert(0, type(fault))  # its turn comes later
            return
        self._tell(f"begins: {fault}, {fault.seconds:.1f} s")
        self.log.counts[fault.counts] += 1
        fault.begin()
        if fault.over_at_once:
            self.log.ended.append(Ended(str(fault), datetime.now(UTC)))
        self._active.append((monotonic() + fault.seconds, fault))

    @staticmethod
    def _clash(one: Fault, other: Fault) -> bool:
        networks = one.holds.startswith("network") and other.holds.startswith("network")
        paused = (one.alone and isinstance(other, Pause)) or (other.alone and isinstance(one, Pause))
        return networks or paused or one.holds == other.holds

    def _end_those_due(self) -> None:
        for each in [each for each in self._active if each[0] <= monotonic() and not each[1].lasts]:
            self._end(each)

    def _end_all(self) -> None:
        while self._active:
            self._end(min(self._active, key=lambda each: each[1].lasts))  # a process cannot stop while it is cut off

    def _end(self, each: tuple[float, Fault]) -> None:
        self._active.remove(each)
        fault = each[1]
        fault.end()
        if fault.wrong is not None:
            self._find(fault.wrong)
        if not fault.over_at_once:
            self.log.ended.append(Ended(str(fault), datetime.now(UTC)))
        self._tell(f"ended: {fault}")
        if fault.alone:
            self._see_everybody_consume()

    def _see_everybody_consume(self) -> None:
        """After a restart of the broker each worker that runs has to take jobs again, by itself. Publishers go on."""
        self._end_all()  # nothing else may be in the way of an answer
        began, first = monotonic(), dict[str, int]()

        def all_do() -> bool:
            now = self._site.consumed()
            for worker, count in now.items():
                first.setdefault(worker, count)
            consuming = {worker.partition("/")[0] for worker, count in now.items() if count > first[worker]}
            return consuming >= {child.name for child in self._site.money_workers}

        if wait_for(all_do, _CONSUMES_AGAIN_S):
            self.log.consumed_again_s.append(monotonic() - began)
        else:
            self._find(f"a worker did not consume again after the broker's restart: {self._site.consumed()} of {first}")

    def _find(self, what: str) -> None:
        self.log.findings.append(what)
        self._tell(f"FINDING: {what}")
