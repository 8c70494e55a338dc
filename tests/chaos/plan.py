"""What a run is asked to do, and the command that asks for the same again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.faults.deck import FAULTS
from tests.chaos.faults.fault import Fault

RATE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate`: jobs a second on each broker. `load`: so many processes beside it keep a core busy. `only`: the faults by
    the names of their classes; none: all of them."""

    seconds: int
    seed: str
    rate: float = RATE
    load: int = 0
    only: tuple[str, ...] = ()

    @property
    def deck(self) -> list[type[Fault]]:
        """Raises ValueError for a name that no fault has."""
        if unknown := {*self.only} - {fault.__name__ for fault in FAULTS}:
            known = ", ".join(sorted({fault.__name__ for fault in FAULTS}))
            raise ValueError(f"there is no fault {', '.join(sorted(unknown))}; there are {known}")
        return [fault for fault in FAULTS if not self.only or fault.__name__ in self.only]

    def again(self, brokers: Sequence[str]) -> str:
        """The command that repeats it on these brokers."""
        words = ["make chaos", f"DURATION={self.seconds}", f"SEED={self.seed}"]
        words += [f"BROKER={brokers[0] if len(brokers) == 1 else 'both'}"]
        words += [f"LOAD={self.load}"] if self.load else []
        words += [f"ONLY={','.join(self.only)}"] if self.only else []
        words += [f"ARGS='--rate {self.rate:g}'"] if self.rate != RATE else []
        return " ".join(words)
