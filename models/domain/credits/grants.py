"""Credits that expire, begin later or have a priority, and the order in which a debit uses them up.

Only such credits are grants. All others sort last in the order below anyway, so they need no row of their own: they are
what a wallet's balance holds beyond its grants. That keeps a wallet with a million plain top-ups as fast as a new one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from models.domain.value import value
from models.python310 import UTC, StrEnum

_LAST_PRIORITY: Final = 2**63
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class GrantState(StrEnum):
    """What can become of a grant's units at one time, in words for people and programs."""

    OPEN = "open"  # a debit may use what is left
    BEGINS_LATER = "begins later"
    EXPIRED = "expired"  # what is left is nobody's, whether or not the sweep has taken it
    USED_UP = "used up"  # nothing is left, held or expired
    VOIDED = "voided"  # an operator ended it


@value(frozen=True, slots=True)
class GrantUnits:
    """Where the units of a grant are, as its row and its entries both say; those that are nowhere here were spent."""

    remaining: int
    held: int
    reversed: int
    expired: int
    voided: int

    def differing(self, right: GrantUnits) -> tuple[WrongUnits, ...]:
        """Where these are not what is right, in the order of the fields."""
        compared = (WrongUnits(each.name, getattr(self, each.name), getattr(right, each.name)) for each in fields(self))
        return tuple(each for each in compared if each.row != each.right)


@value(frozen=True, slots=True)
class WrongUnits:
    """One of a grant's numbers that is not what it should be, in units."""

    name: str  # a field of GrantUnits
    row: int  # as the grant's row says
    right: int


@value(frozen=True, slots=True)
class Grant:
    """Every unit granted is left, held, or gone: spent, expired, voided or reversed. What was spent may come back.

    remaining + held + reversed + expired + voided <= amount: nothing is taken twice, and nothing comes back beyond it.
    """

    id: UUID
    amount: int  # units granted
    remaining: int  # units left that no hold has reserved
    priority: int | None  # lower is used first; None: last
    expires_at: datetime | None
    created_at: datetime
    effective_at: datetime | None = None  # from when it counts; None: from the beginning
    pending: bool = False  # it has not begun, or no move has found yet that it has
    held: int = 0  # units reserved by open holds
    reversed: int = 0  # units taken back by reversals of its top-up, wherever they were found
    expired: int = 0  # units that the sweep took
    voided: int = 0  # units that an operator took
    voided_at: datetime | None = None
    warned: bool = False  # whether it was told that it will expire

    def begun(self, at: datetime) -> bool:
        return self.effective_at is None or self.effective_at <= at

    def lapsed(self, at: datetime) -> bool:
        """Whether its time is over. What is left then is nobody's, also before the sweep has taken it."""
        return self.ends is not None and self.ends <= at

    @property
    def ends(self) -> datetime | None:
        """When its time is over: when it was voided, or else when it expires."""
        return self.voided_at or self.expires_at

    def open(self, at: datetime) -> bool:
        """Whether it can be spent at this time."""
        return self.begun(at) and not self.lapsed(at)

    @property
    def spent(self) -> int:
        """Units spent; below zero, so many of its units that holds have were taken from it (Move.unback)."""
        return self.amount - self.remaining - self.held - self.reversed - self.expired - self.voided

    @property
    def consumed(self) -> int:
        """Units spent and not taken back, never below zero: a reversal counts what it took for the grant, wherever
        that was."""
        return max(0, self.spent)

    @property
    def units(self) -> GrantUnits:
        return GrantUnits(self.remaining, self.held, self.reversed, self.expired, self.voided)

    def state(self, at: datetime) -> GrantState:
        """What it is at this time."""
        if self.voided_at is not None:
            return GrantState.VOIDED
        if not self.remaining + self.held + self.expired:
            return GrantState.USED_UP
        if self.lapsed(at):
            return GrantState.EXPIRED
        return GrantState.OPEN if self.begun(at) else GrantState.BEGINS_LATER

    def returned(self, units: int) -> int:
        """How many of `units` that were spent from it fit back in; none is revived that a reversal or void took."""
        return max(0, min(units, self.spent))

    def less(self, units: int) -> Grant:
        """The grant with so many units fewer left; negative: put back."""
        return replace(self, remaining=self.remaining - units)


Draw = tuple[UUID, int]  # (grant, units taken from it; negative: put back)


def consumption_order(grants: Iterable[Grant]) -> list[Grant]:
    """Those with something left: priority (absent last), expiry (absent last), larger first, older first."""
    return sorted(
        (grant for grant in grants if grant.remaining > 0),
        key=lambda grant: (
            _LAST_PRIORITY if grant.priority is None else grant.priority,
            grant.expires_at or _NEVER,
            -grant.remaining,
            grant.created_at,
            grant.id,
        ),
    )
