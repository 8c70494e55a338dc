"""Deals faults one after another, some overlapping, from a seed; and watches that nobody needs a hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import Final

from tests.chaos.faults.fault import Fault
from tests.chaos.faults.processes import Pause
from tests.chaos.site import QUEUES, Site, wait_for

_AT_ONCE: Final = 3
_OVERLAP: Final = 0.4  # how often the next one does not wait for the end of the last
_CONSUMES_AGAIN_S: Final = 60.0
_CATCHES_UP_S: Final = 60.0
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
    consumed_again_s: list[float] = field(default_factory=list)  # from a fault after which each worker is looked at
    harmless: list[tuple[str, datetime, datetime]] = field(default_factory=list)  # what, from when to when


class Schedule:
    """The faults of a run. `caught_up`: whether all that was accepted a moment ago has been answered."""

    def __init__(
        self, site: Site, seed: str, tell: Callable[[str], None], caught_up: Callable[[], bool],
        deck: Sequence[type[Fault]],
    ) -> None:  # fmt: skip
        self._site, self._tell, self._caught_up, self._full_deck = site, tell, caught_up, deck
        self._random = random.Random(f"{seed}/faults")
        self._deck: list[type[Fault]] = []
        self._active: list[tuple[float, Fault]] = []
        self._next_at = monotonic()
        self._to_look_after: list[Fault] = []
        self._undisturbed: Fault | None = None  # waits until nothing fails
        self.log = Log()

    @property
    def active(self) -> list[str]:
        return [str(fault) for _, fault in self._active]

    def run(self, seconds: float, stop: Event) -> None:
        """Faults until the time is over, or `stop` is set; then all of them end."""
        over = monotonic() + seconds
        try:
            while monotonic() < over and not stop.is_set():
                self.watch()
                self._end_those_due()
                if not self._to_look_after and self._undisturbed is None:
                    self._begin_next()
                elif not self._active:
                    self._have_quiet()
                stop.wait(_TURN_S)
        finally:
            self._end_all()
        self._see_everybody_consume("the last fault")

    def watch(self) -> None:
        """A process that ended by itself is a finding; it is started again, to see what else there is."""
        for child in self._site.children.values():
            if (fallen := child.fallen()) is not None:
                self.find(fallen)
                child.start()

    def _begin_next(self) -> None:
        if monotonic() < self._next_at or len(self._active) >= _AT_ONCE:
            return
        if not self._deck:
            self._deck = [*self._full_deck]
            self._random.shuffle(self._deck)
        fault = self._deck.pop()(self._site, random.Random(self._random.random()))
        if any(self._clash(fault, other) for _, other in self._active):
            self._deck.insert(0, type(fault))  # its turn comes later
        elif fault.harmless:
            self._undisturbed = fault
        else:
            self._begin(fault)
        quiet = 0.0 if self._random.random() < _OVERLAP else self._random.uniform(0.5, 3)
        longest = max((due for due, fault in self._active if fault.seconds < 10), default=monotonic())
        self._next_at = (longest if quiet else monotonic()) + quiet

    def _begin(self, fault: Fault) -> None:
        self._tell(f"begins: {fault}, {fault.seconds:.1f} s")
        self.log.counts[fault.counts] += 1
        fault.begin()
        if fault.over_at_once:
            self.log.ended.append(Ended(str(fault), datetime.now(UTC)))
        self._active.append((monotonic() + fault.seconds, fault))

    def _have_quiet(self) -> None:
        """What needs that nothing fails: a look at each worker, or a fault that money must not notice."""
        if self._to_look_after:
            self._see_everybody_consume(", ".join(map(str, self._to_look_after)))
            self._to_look_after.clear()
        if (fault := self._undisturbed) is not None:
            self._see_it_catch_up()
            began = datetime.now(UTC)
            self._begin(fault)
            Event().wait(fault.seconds)
            self.log.harmless.append((str(fault), began, datetime.now(UTC)))
            self._end_all()
            self._undisturbed = None

    @staticmethod
    def _clash(one: Fault, other: Fault) -> bool:
        paused = (one.alone and isinstance(other, Pause)) or (other.alone and isinstance(one, Pause))
        return paused or not one.holds.isdisjoint(other.holds)

    def _end_those_due(self) -> None:
        for each in [each for each in self._active if each[0] <= monotonic() and not each[1].lasts]:
            self._end(each)

    def _end_all(self) -> None:
        while self._active:
            # A process cannot stop, or answer, while it is cut off.
            self._end(min(self._active, key=lambda each: (each[1].asks_workers, each[1].lasts)))

    def _end(self, each: tuple[float, Fault]) -> None:
        self._active.remove(each)
        fault = each[1]
        fault.end()
        if fault.wrong is not None:
            self.find(fault.wrong)
        if not fault.over_at_once:
            self.log.ended.append(Ended(str(fault), datetime.now(UTC)))
        self._tell(f"ended: {fault}")
        if fault.alone:
            self._to_look_after.append(fault)

    def _see_everybody_consume(self, after: str) -> None:
        """Each worker has to take jobs again, by itself. Publishers go on."""
        began, first = monotonic(), dict[str, int]()

        def all_do() -> bool:
            now = self._site.consumed()
            for worker, count in now.items():
                first.setdefault(worker, count)
            consuming = {worker.partition("/")[0] for worker, count in now.items() if count > first[worker]}
            return consuming >= QUEUES.keys()

        if wait_for(all_do, _CONSUMES_AGAIN_S):
            self.log.consumed_again_s.append(monotonic() - began)
        else:
            self.find(f"a worker did not consume again after: {after}: {self._site.consumed()} of {first}")

    def _see_it_catch_up(self) -> None:
        """Nothing fails: what has been accepted has to be answered."""
        if not wait_for(self._caught_up, _CATCHES_UP_S):
            self.find(f"nothing failed for {_CATCHES_UP_S:g} s, and accepted jobs were not answered")

    def find(self, what: str) -> None:
        self.log.findings.append(what)
        self._tell(f"FINDING: {what}")
