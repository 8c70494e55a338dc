"""The slow model, part two: when a wallet of coins is due for a top-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from models.domain.outcome import Code
from tests.property.coins import Credit, Purse

COOLDOWN: Final = 3  # minutes between two auto top-ups


class Refused(Exception):
    """The wallet says no, and nothing has changed."""

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Policy:
    """Auto top-up by level."""

    on: bool = False
    minimum: int = 0
    amount: int = 0
    refunded: bool = False
    wanted: int | None = None  # what a refused job needed and one top-up would reach
    topped_up: int | None = None


class Levelled(Purse):
    """A purse with a policy."""

    def __init__(self, floor: int) -> None:
        super().__init__(floor)
        self.status = "active"
        self.policy = Policy()
        self.auto: set[UUID] = set()  # jobs that were auto top-ups

    @property
    def in_force(self) -> bool:
        return self.policy.on and self.status == "active" and not self.policy.refunded

    @property
    def below(self) -> bool:
        return self.in_force and self.spendable < self.policy.minimum

    @property
    def due(self) -> bool:
        wanted = self.policy.wanted
        reached = wanted is not None and self.spendable < wanted <= self.spendable + self.policy.amount
        return self.below or (self.in_force and reached)

    @property
    def ready(self) -> int:
        """When the cooldown is over."""
        return self.now if self.policy.topped_up is None else max(self.now, self.policy.topped_up + COOLDOWN)

    def look(self, job: UUID, *, fired: bool) -> Code:
        """The scan looks. It has to top up when the wallet is below its minimum, and may when it is due: whether a
        level that was wanted was reached in between is known only to whoever looked then."""
        may = self.due and self.ready <= self.now
        if not (fired or (self.below and may)):
            self.policy.wanted = None if may else self.policy.wanted
            return self._forgotten()
        if not may:
            return Code.UNCHANGED
        self.policy.wanted, self.policy.topped_up = None, self.now
        self.plain += self.policy.amount
        self.written[job] = [Credit(None, self.policy.amount)]
        self.auto.add(job)
        self.pay_debt()
        return self._moved()

    def _short_of(self, level: int) -> Refused:
        """A refusal for want of credits asks for a top-up when one would have been enough."""
        if self.in_force and not self.below and self.spendable < level <= self.spendable + self.policy.amount:
            self.policy.wanted = level
        return Refused(Code.INSUFFICIENT_FUNDS)

    def _moved(self) -> Code:
        self._forgotten()
        return Code.APPLIED

    def _forgotten(self) -> Code:
        """What a refused job needed is forgotten when a top-up is not called for any more."""
        if not self.due:
            self.policy.wanted = None
        return Code.UNCHANGED
