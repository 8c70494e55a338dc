"""Holds: credits that are reserved for something that is going on, to be captured, released, or given back in time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from models.domain.credits.grants import Draw
from models.domain.value import value
from models.python310 import StrEnum


class HoldEnd(StrEnum):
    """How a hold came to its end."""

    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"
    REVERSED = "reversed"  # a forced reversal took the credits that it had reserved


@value(frozen=True, slots=True)
class Hold:
    """Units reserved in one wallet: amount = captured + released + remaining. `backing` are those of `remaining` that
    come from grants, in consumption order; the others are plain."""

    id: UUID
    amount: int
    remaining: int
    captured: int
    backing: tuple[Draw, ...]
    expires_at: datetime
    created_at: datetime
    ended: HoldEnd | None = None

    def lapsed(self, at: datetime) -> bool:
        return self.expires_at <= at

    @property
    def released(self) -> int:
        """Units given back, when it ended or before."""
        return self.amount - self.captured - self.remaining

    def by_time(self, at: datetime) -> Hold:
        """The hold as time has made it: one that has run out reserves nothing, whether or not the sweep has run."""
        if not self.remaining or not self.lapsed(at):
            return self
        return replace(self, remaining=0, backing=(), ended=HoldEnd.EXPIRED)

    def less(
        self, units: int, *, captured: bool, ended: HoldEnd | None, spared: Collection[UUID] = ()
    ) -> tuple[Hold, tuple[Draw, ...]]:
        """The hold with so many units fewer, and which of these came from which grant. A capture uses up grants
        first, as a debit does; what is given back is given back from the other end. `spared`: grants to pass over."""
        parts = self.backing if captured else [part for part in self.backing[::-1] if part[0] not in spared]
        left = units if captured else max(0, units - (self.remaining - sum(part for _, part in self.backing)))
        taken: list[Draw] = []
        for grant_id, part in parts:
            if part := min(part, left):
                taken.append((grant_id, part))
                left -= part
        gone = dict(taken)
        backing = tuple((grant_id, part - gone.get(grant_id, 0)) for grant_id, part in self.backing)
        remaining = self.remaining - units
        after = replace(
            self,
            remaining=remaining,
            captured=self.captured + (units if captured else 0),
            backing=tuple(part for part in backing if part[1]),
            ended=None if remaining else ended,
        )
        return after, tuple(taken)


class HoldVerb(StrEnum):
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    UNBACK = "unback"  # the hold keeps its units; a grant's are plain from now on


@value(frozen=True, slots=True)
class HoldPart:
    """What a change of a hold does to one grant."""

    grant_id: UUID
    held: int  # change of the units held
    remaining: int  # change of the units left


@value(frozen=True, slots=True)
class HoldChange:
    """What an entry does to a hold."""

    hold_id: UUID
    verb: HoldVerb
    units: int  # of the hold; 0: it keeps them all
    parts: tuple[HoldPart, ...] = ()
