"""What is asked of a wallet and when: steps, and how histories of them are drawn, each from its seed.

Hypothesis draws the other properties. Here it took four fifths of the time, and drew the same few kinds of steps over
and over; what it would do for a history that fails is done in shrinking.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

HUGE: Final = 10**6
ALL: Final = 0  # what can be spent at that moment
ODD: Final = 9
SWEEPS: Final = ("begun", "run out", "expired")


@dataclass(frozen=True)
class Step:
    """One thing that is asked for, `wait` minutes after the one before. Times in `fields` are minutes from then.

    `of`: which of the earlier jobs it is about, the last first, among those that it can be about; ODD: among others.
    `sweeps`: those that run before it, when the wait is over.
    """

    what: str
    wait: int = 0
    of: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)
    sweeps: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    floor: int
    steps: tuple[Step, ...]

    def unswept(self) -> History:
        return replace(self, steps=tuple(replace(step, sweeps=()) for step in self.steps))


POLICY: Final[dict[str, Any]] = {
    "auto_topup_trigger": "balance_below_threshold",
    "auto_topup_min_balance": 6,
    "auto_topup_amount": 4,
}
CHANGES: Final[list[dict[str, Any]]] = [
    *({"floor": floor} for floor in (0, -5, -10)),
    *({"overdraft_allowed": allowed} for allowed in (True, True, False)),
    *({"wallet_status": status} for status in ("frozen", "active", "active")),
    *({"config": {"allowed_price_types": [types]}} for types in ("USAGE", "ALL")),
    POLICY,
    POLICY,
    {"auto_topup_trigger": "disabled"},
    {"auto_topup_min_balance": 3},
]
# In the grace of something, now and then too long ago, or by a clock that is ahead.
SINCE: Final = [-1, -1, -2, -2, -3, -4, -8, 1]
CREDITS: Final = [*range(1, 9), ALL, ALL]
OFTEN: Final = {
    "top_up": 12,
    "debit": 8,
    "hold": 8,
    "reverse": 8,
    "capture": 6,
    "release": 4,
    "void": 3,
    "update": 2,
    "look": 2,
}
NEEDS: Final = {"capture": "hold", "release": "hold", "void": "top_up", "reverse": "top_up"}


def history(seed: int, *, policy: bool = False) -> History:
    """The history that this seed stands for. `policy`: with auto top-up from the beginning, not now and then."""
    return _Chance(seed).history(policy=policy)


class _Chance(random.Random):
    """Draws steps and their fields."""

    def some(self, percent: int, values: Sequence[Any]) -> Any:
        """One of these, in so many cases out of a hundred."""
        return self.choice(values) if self.randrange(100) < percent else None

    def history(self, *, policy: bool) -> History:
        steps = [Step("update", fields=POLICY)] if policy or self.randrange(3) == 0 else []
        sweeping = self.choice([0, 10, 30, 80])
        for _ in range(self.randint(3, 22)):
            (what,) = self.choices([*OFTEN], [*OFTEN.values()])
            if what in NEEDS and all(step.what != NEEDS[what] for step in steps):
                what = NEEDS[what]
            steps.append(self.step(what, sweeping))
        if self.randrange(20) == 0:
            steps.append(self.step("terminate", sweeping))
        return History(self.choice([0, 0, -10]), tuple(steps))

    def step(self, what: str, sweeping: int) -> Step:
        draw: Callable[[], dict[str, Any]] = getattr(self, f"_{what}", dict)
        fields = {name: value for name, value in draw().items() if value is not None}
        of = self.choice([0, 0, 0, 0, 1, 1, 2, 3, 4, ODD]) if what in NEEDS else 0
        sweeps = tuple(sweep for sweep in SWEEPS if self.randrange(100) < sweeping)
        return Step(what, self.choice([0, 0, 0, 0, 0, 1, 1, 2, 3]), of, fields, sweeps)

    def _top_up(self) -> dict[str, Any]:
        since = self.some(20, SINCE)
        return {
            "credits": self.randint(1, 15),
            "priority": self.some(20, [0, 1]),
            "ends": self.some(50, range(1, 7) if since is None else range(-3, 3)),
            "begins": self.some(25, range(1, 5)),
            "bonus": self.some(20, range(1, 6)),
            "bonus_ends": self.some(20, range(1, 6)),
            "since": since,
        }

    def _spending(self, percent_late: int) -> dict[str, Any]:
        return {
            "credits": HUGE if self.randrange(40) == 0 else self.choice(CREDITS),
            "price_type": self.some(10, ["USAGE", "FIXED"]),
            "since": self.some(percent_late, SINCE),
        }

    def _debit(self) -> dict[str, Any]:
        return {**self._spending(30), "overdraft": self.some(15, range(1, 7))}

    def _hold(self) -> dict[str, Any]:
        return {**self._spending(20), "lasts": self.randint(1, 6)}

    def _capture(self) -> dict[str, Any]:
        return {"credits": self.some(60, range(1, 6)), "final": self.choice([True, False])}

    def _void(self) -> dict[str, Any]:
        return {"bonus": self.randrange(5) == 0}

    def _reverse(self) -> dict[str, Any]:
        return {"credits": self.some(50, range(1, 7)), "force": self.choice([True, True, False])}

    def _update(self) -> dict[str, Any]:
        return dict(self.choice(CHANGES))
