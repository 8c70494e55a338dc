"""The slow model, part two: what jobs do to a wallet of coins, what they are answered, and when it is due for a top-up.

It shares the names of the codes with the product, and nothing else.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from models.domain.outcome import Code
from tests.property.coins import Coin, Credit, Fate, Hold, Pot, Purse, Spending, Terms

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


class Wallet(Purse):
    """Every job answers APPLIED or UNCHANGED, or raises Refused."""

    def __init__(self, floor: int) -> None:
        super().__init__(floor)
        self.overdraft_allowed = False
        self.status = "active"
        self.pays_for = {"USAGE", "FIXED"}
        self.policy = Policy()
        self.auto: set[UUID] = set()  # jobs that were auto top-ups

    # --- top-ups, debits

    def top_up(
        self, job: UUID, credits: int, terms: Terms, bonus: tuple[UUID, int, int | None] | None, since: int | None
    ) -> Code:
        """`bonus`: (id of its grant, credits, end)."""
        self._must_be_active()
        pots = [self._pot(job, terms, credits, since)]
        if bonus is not None:
            pots.append(self._pot(bonus[0], Terms(None, terms.begins, bonus[2]), bonus[1], since))
        amounts = [credits] if bonus is None else [credits, bonus[1]]
        written = []
        for pot, amount in zip(pots, amounts, strict=True):
            written.append(Credit(pot, amount))
            if pot is None:
                self.plain += amount
            else:
                self.pots[pot.id] = pot
            self.pay_debt(since)
        self.written[job] = written
        return self._moved()

    def _pot(self, of: UUID, terms: Terms, number: int, since: int | None) -> Pot | None:
        begins = terms.begins if terms.begins is not None and terms.begins > self.now else None
        asked_at = self.now if since is None else min(since, self.now)
        if terms.ends is not None and terms.ends <= (asked_at if begins is None else begins):
            raise Refused(Code.EXPIRY_NOT_IN_FUTURE)
        if begins is None and terms.ends is None and terms.priority is None:
            return None
        pot = Pot(of, self.now, terms.priority, begins, terms.ends)
        fate = Fate.OVER if pot.over(self.now) else Fate.FREE if pot.begun(self.now) else Fate.FUTURE
        pot.coins = [Coin(pot, fate) for _ in range(number)]
        return pot

    def debit(self, job: UUID, credits: int, overdraft: int, price_type: str | None, since: int | None) -> Code:
        self._must_be_active()
        self._must_pay_for(price_type)
        if self.can_spend(since) - credits < self.floor:
            if overdraft and not self.overdraft_allowed:
                raise Refused(Code.OVERDRAFT_NOT_ALLOWED)
            if self.can_spend(since) - credits < self.floor - overdraft:
                raise self._short_of(credits + self.floor - overdraft)
        self.written[job] = Spending(self.take(credits, since, Fate.SPENT))
        self.pay_debt(since)
        return self._moved()

    # --- holds

    def hold(self, job: UUID, credits: int, lasts: int, price_type: str | None, since: int | None) -> Code:
        self._must_be_active()
        self._must_pay_for(price_type)
        if self.can_spend(since) - credits < self.floor:
            raise self._short_of(credits + self.floor)
        self.holds[job] = Hold(job, self.now, self.now + lasts, self.take(credits, since, Fate.HELD))
        self.written[job] = None
        self.pay_debt(since)
        return self._moved()

    def capture(self, job: UUID, of: UUID, credits: int | None, *, final: bool) -> Code:
        hold = self._open_hold(of)
        self._must_be_active()
        number = len(hold.coins) if credits is None else credits
        if number > len(hold.coins):
            raise Refused(Code.CAPTURE_EXCEEDS_HOLD)
        taken, hold.coins = hold.coins[:number], hold.coins[number:]
        for coin in taken:
            coin.fate = Fate.SPENT
        if not hold.coins:
            hold.end = "captured"
        elif final:
            self.give_back(hold, "captured")
        self.written[job] = Spending(taken)
        self.pay_debt()
        return self._moved()

    def release(self, job: UUID, of: UUID) -> Code:
        self.give_back(self._open_hold(of), "released")
        self.written[job] = None
        self.pay_debt()
        return self._moved()

    def _open_hold(self, of: UUID) -> Hold:
        hold = self.holds.get(of)
        if hold is None:
            raise Refused(Code.HOLD_NOT_FOUND)
        if hold.end is not None:
            raise Refused(Code.HOLD_EXPIRED if hold.end == "expired" else Code.HOLD_CLOSED)
        return hold

    # --- taking back

    def void(self, job: UUID, of: UUID) -> Code:
        pot = self.pots.get(of)
        if pot is None:
            raise Refused(Code.GRANT_NOT_FOUND)
        if pot.over(self.now) or not pot.those(Fate.FUTURE, Fate.FREE, Fate.HELD):
            return Code.UNCHANGED
        for coin in pot.those(Fate.FUTURE, Fate.FREE):
            coin.fate = Fate.GONE
        pot.voided, pot.ends = True, self.now
        self.written[job] = None
        return self._moved()

    def reverse(self, job: UUID, of: UUID, asked: int | None, *, force: bool) -> Code:
        before = copy.deepcopy(self.__dict__)
        try:
            return self._reverse(job, of, asked, force=force)
        except Refused:
            self.__dict__ = before  # the first part of two was taken, the second could not
            raise

    def _reverse(self, job: UUID, of: UUID, asked: int | None, *, force: bool) -> Code:
        if of not in self.written:
            raise Refused(Code.JOB_NOT_FOUND)
        written = self.written[of]
        if written is None:
            raise Refused(Code.NOT_REVERSIBLE)
        if self.status == "closed":
            raise Refused(Code.WALLET_CLOSED)
        open_ = len(written.coins) if isinstance(written, Spending) else sum(part.unreversed for part in written)
        if asked is not None and asked > open_ > 0:
            raise Refused(Code.REVERSAL_EXCEEDS_ENTRY)
        number = open_ if asked is None else asked
        if isinstance(written, Spending):
            took = self._give_spent_back(written, number)
        else:
            took = self._take_credits_back(written, number, force=force)
        if not took:
            return Code.UNCHANGED
        if of in self.auto:
            self.policy.refunded = True
        self.written[job] = None
        return self._moved()

    def _give_spent_back(self, spending: Spending, number: int) -> bool:
        """What was spent last comes back first, as if less had been spent."""
        back = spending.coins[::-1][:number]
        for coin in back:
            self.restore(coin)
            spending.coins.pop()
        self.pay_debt()
        return bool(back)

    def _take_credits_back(self, credits: list[Credit], number: int, *, force: bool) -> bool:
        took = 0
        for credit in credits:
            units = min(self.still_there(credit), number - took)
            if not units:
                continue
            if not force and not self._there_without_force(credit, units):
                raise Refused(Code.INSUFFICIENT_FUNDS)
            self.take_back(credit, units)
            self.pay_debt()
            if force:
                self.cut_holds()
            took += units
        return took > 0

    def _there_without_force(self, credit: Credit, units: int) -> bool:
        if credit.pot is None:
            return self.plain - units >= self.floor
        return len(credit.pot.those(Fate.FUTURE, Fate.FREE)) >= units

    # --- terms

    def update(self, terms: Mapping[str, Any], policy: Mapping[str, Any]) -> Code:
        """Changes some of its own fields, and some of its policy's."""
        if self.status == "closed":
            raise Refused(Code.WALLET_CLOSED)
        floor, overdraft = terms.get("floor", self.floor), terms.get("overdraft_allowed", self.overdraft_allowed)
        if self.held and self.spendable < floor and not overdraft:
            raise Refused(Code.CREDITS_HELD)
        vars(self).update(terms)
        vars(self.policy).update(policy)
        self.policy.refunded = self.policy.refunded and not policy.get("on")
        return self._moved()

    def terminate(self, job: UUID) -> Code:
        if self.status == "closed":
            raise Refused(Code.WALLET_CLOSED)
        if self.held:
            raise Refused(Code.CREDITS_HELD)
        if self.credit < 0:
            raise Refused(Code.WALLET_IN_DEBT)
        self.plain = 0
        for pot in self.pots.values():
            for coin in pot.those(Fate.FUTURE, Fate.FREE, Fate.OVER):
                coin.fate = Fate.GONE
        self.status = "closed"
        self.written[job] = None
        return self._moved()

    # --- auto top-up

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

    # --- who may

    def _must_be_active(self) -> None:
        if self.status != "active":
            raise Refused(Code.WALLET_CLOSED if self.status == "closed" else Code.WALLET_FROZEN)

    def _must_pay_for(self, price_type: str | None) -> None:
        if price_type is not None and price_type not in self.pays_for:
            raise Refused(Code.PRICE_TYPE_NOT_ALLOWED)
