"""Random histories of auto top-up: what is agreed to, asked for and told, in batches, over the ends of months."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati", "America/Havana")
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
_OFTEN: Final = {
    "debit": 12, "top_up": 2, "look": 16, "settle": 14, "run_now": 6, "set_policy": 2, "update": 2, "reverse": 1,
    "cancel": 1, "resume": 2, "pause": 1,
}  # fmt: skip
_WAITS: Final = (
    *[timedelta(0)] * 6,
    MINUTE,
    MINUTE,
    timedelta(hours=1),
    timedelta(hours=3),
    DAY,
    DAY,
    5 * DAY,
    31 * DAY,
)


@dataclass(frozen=True)
class Asked:
    """One thing that is asked for. `of`: which of the earlier charges it is about, the last first."""

    what: str
    of: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """What is decided together. `wait`: since the batch before; `edge`: and then on to a minute before or after the end
    of the month in that place."""

    asked: tuple[Asked, ...]
    wait: timedelta = timedelta(0)
    edge: tuple[str, timedelta] | None = None


@dataclass(frozen=True)
class History:
    zone: str | None  # of the wallet
    floor: int
    batches: tuple[Batch, ...]

    def smaller(self) -> list[History]:
        """Those with one thing less."""
        found = [self._with(place, None) for place in range(len(self.batches))]
        for place, batch in enumerate(self.batches):
            for number in range(len(batch.asked)):
                if len(batch.asked) > 1:
                    rest = (*batch.asked[:number], *batch.asked[number + 1 :])
                    found.append(self._with(place, replace(batch, asked=rest)))
            if batch.wait or batch.edge:
                found.append(self._with(place, replace(batch, wait=timedelta(0), edge=None)))
        return found

    def _with(self, place: int, batch: Batch | None) -> History:
        instead = () if batch is None else (batch,)
        return replace(self, batches=(*self.batches[:place], *instead, *self.batches[place + 1 :]))


def history(seed: int) -> History:
    """The history that this seed stands for."""
    return _Chance(seed).history()


class _Chance(random.Random):
    def history(self) -> History:
        batches = [Batch((Asked("set_policy", fields=self._set_policy()),))]
        for _ in range(self.randint(3, 24)):
            size = self.choice([1, 1, 1, 1, 2, 3])
            asked = tuple(self._asked() for _ in range(size))
            edge = (self.choice(ZONES), self.choice([-MINUTE, 0 * MINUTE, MINUTE])) if self.randrange(6) == 0 else None
            batches.append(Batch(asked, self.choice(_WAITS), edge))
        return History(self.choice([None, *ZONES]), self.choice([0, 0, -40]), tuple(batches))

    def _asked(self) -> Asked:
        (what,) = self.choices([*_OFTEN], [*_OFTEN.values()])
        draw = getattr(self, f"_{what}", dict)
        return Asked(what, self.choice([0, 0, 0, 0, 1, 1, 2, 3]), draw())

    def _debit(self) -> dict[str, Any]:
        return {"credits": self.choice([1, 3, 8, 15, 30, 10**6])}

    def _top_up(self) -> dict[str, Any]:
        return {"credits": self.choice([1, 5, 20]), "days": self.choice([None, None, 1, 10, 40])}

    def _settle(self) -> dict[str, Any]:
        status = self.choice([*["succeeded"] * 6, "declined", "declined", "needs_action", "void", "refunded"])
        code = self.choice(["card_declined", "card_declined", "no_payment_method"]) if status == "declined" else None
        return {"status": status, "code": code}

    def _pause(self) -> dict[str, Any]:
        return {"paused": self.choice([True, False, False])}

    def _update(self) -> dict[str, Any]:
        changes: list[dict[str, Any]] = [
            {"timezone": self.choice(ZONES)},
            {"wallet_status": self.choice(["frozen", "active", "active"])},
            {"auto_topup_amount": self.randint(1, 30)},
            {"auto_topup_min_balance": self.randint(1, 20)},
            {"auto_topup_trigger": self.choice(["disabled", "balance_below_threshold"])},
        ]
        return self.choice(changes)

    def _set_policy(self) -> dict[str, Any]:
        trigger = self.choice([*["balance_below_threshold"] * 12, *["interval"] * 6, "disabled"])
        threshold = self.randint(1, 20)
        fields: dict[str, Any] = {"trigger": trigger, "threshold": threshold}
        fields |= (
            {"amount": self.randint(1, 30)} if self.randrange(2) else {"target_balance": threshold + self.randrange(40)}
        )
        if trigger == "interval":
            fields["interval"] = self.choice(["daily", "weekly", "monthly", "quarterly", "yearly"])
            fields["anchor"] = self.choice(
                [None, "2029-10-31T02:30:00Z", "2030-01-31T23:30:00Z", "2028-02-29T00:00:00Z"]
            )
        often = {"monthly_cap": 70, "timezone": 50, "cooldown_s": 60}
        maybe: dict[str, list[Any]] = {
            "monthly_cap": [30, 30, 31, 60, 60],
            "cooldown_s": [0, 0, 60, 3_600, 3 * 86_400],
            "max_declines": [1, 2, 5],
            "min_charge": [1, 5],
            "max_charge": [5, 20, 30],
            "timezone": [*ZONES],
            "payer": ["p"],
        }
        fields |= {
            name: self.choice(values) for name, values in maybe.items() if self.randrange(100) < often.get(name, 25)
        }
        provider = self.choice(["none", "none", "http", "http", "http", "stripe"])
        return {name: said for name, said in {**fields, "provider": provider}.items() if said is not None}
