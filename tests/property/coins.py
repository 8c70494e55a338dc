"""A slow model of a wallet, to be wrong about nothing: what models/domain/credits means, said in another way.

Each credit of a grant is a coin that is somewhere at every moment, and time does its work at its own moment: whoever
asks for the year 2030 gets there minute by minute. Plain credits are all alike, so they are a number; below zero it is
what is owed. Nothing here is summed up, put off, or swept before it is looked at. Times are minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final
from uuid import UUID

GRACE: Final = 4  # minutes for which the sweep waits for late jobs


class Fate(Enum):
    """Where a coin of a grant is."""

    FUTURE = auto()  # its grant has not begun
    FREE = auto()  # in its grant, to be spent
    HELD = auto()
    SPENT = auto()  # by a debit, a capture, or a debt that it paid; it may come back
    OVER = auto()  # in its grant, whose time is over: nobody's, and the ledger still counts it
    GONE = auto()  # from the ledger: expired, voided, or taken back


@dataclass(eq=False)
class Coin:
    pot: Pot | None  # the grant it belongs to; None: a plain one
    fate: Fate


@dataclass(frozen=True)
class Terms:
    """Of the grant that a top-up makes."""

    priority: int | None = None
    begins: int | None = None
    ends: int | None = None


@dataclass(eq=False)
class Pot:
    """A grant."""

    id: UUID
    made: int
    priority: int | None
    begins: int | None
    ends: int | None
    voided: bool = False
    coins: list[Coin] = field(default_factory=list)

    def begun(self, at: int) -> bool:
        return self.begins is None or self.begins <= at

    def over(self, at: int) -> bool:
        return self.voided or (self.ends is not None and self.ends <= at)

    def those(self, *fates: Fate) -> list[Coin]:
        return [coin for coin in self.coins if coin.fate in fates]

    @property
    def left(self) -> int:
        return len(self.those(Fate.FUTURE, Fate.FREE, Fate.OVER))


@dataclass(eq=False)
class Hold:
    id: UUID
    made: int
    ends: int
    coins: list[Coin]  # in the order in which a capture spends them: plain ones last
    end: str | None = None


@dataclass(eq=False)
class Credit:
    """An entry that added credits."""

    pot: Pot | None
    amount: int
    taken: int = 0  # by reversals

    @property
    def unreversed(self) -> int:
        return self.amount - self.taken


@dataclass(eq=False)
class Spending:
    """An entry that spent coins, in this order. Those that are given back are not in it any more."""

    coins: list[Coin]


class Purse:
    """A wallet's credits. Whoever moves them asks first: nothing is refused here."""

    def __init__(self, floor: int) -> None:
        self.now = 0
        self.floor = floor
        self.plain = 0
        self.pots: dict[UUID, Pot] = {}
        self.holds: dict[UUID, Hold] = {}
        self.written: dict[UUID, list[Credit] | Spending | None] = {}  # by job; None: not to be taken back

    # --- what is shown

    @property
    def held(self) -> int:
        return sum(len(hold.coins) for hold in self.holds.values())

    @property
    def spendable(self) -> int:
        return self.plain + sum(len(pot.those(Fate.FREE)) for pot in self.pots.values())

    @property
    def credit(self) -> int:
        return self.spendable + self.held

    @property
    def balance(self) -> int:
        """What the ledger counts."""
        return self.credit + sum(len(pot.those(Fate.FUTURE, Fate.OVER)) for pot in self.pots.values())

    # --- time

    def wait(self, minutes: int) -> None:
        for _ in range(minutes):
            self.now += 1
            for pot in self.pots.values():
                for coin in pot.those(Fate.FUTURE, Fate.FREE):
                    if pot.over(self.now):
                        coin.fate = Fate.OVER
                    elif pot.begun(self.now):
                        coin.fate = Fate.FREE
            for hold in self.holds.values():
                if hold.coins and hold.ends <= self.now:
                    self.give_back(hold, "expired")
            self.pay_debt()

    def sweep(self, pot: Pot) -> int:
        """The ledger's part of an expiry, when the grace is over. Returns how many coins it took."""
        swept = pot.those(Fate.OVER) if pot.ends is not None and pot.ends + GRACE <= self.now else []
        for coin in swept:
            coin.fate = Fate.GONE
        return len(swept)

    # --- spending

    def usable(self, pot: Pot, since: int | None) -> bool:
        """By a job that says when it happened: also what was open then, while the sweep waits."""
        if pot.begun(self.now) and not pot.over(self.now):
            return True
        if since is None or pot.voided or pot.ends is None:
            return False
        return pot.begun(min(since, self.now)) and since < pot.ends and self.now < pot.ends + GRACE

    def in_order(self, since: int | None) -> Iterator[Coin]:
        """The coins of grants that can be spent, by one comparison after the other."""
        pots = [pot for pot in self.pots.values() if self.usable(pot, since) and pot.left]
        sizes = {pot: pot.left for pot in pots}
        while pots:
            first = pots
            if priorities := [pot.priority for pot in first if pot.priority is not None]:
                first = [pot for pot in first if pot.priority == min(priorities)]
            if ends := [pot.ends for pot in first if pot.ends is not None]:
                first = [pot for pot in first if pot.ends == min(ends)]
            first = [pot for pot in first if sizes[pot] == max(sizes[pot] for pot in first)]
            first = [pot for pot in first if pot.made == min(pot.made for pot in first)]
            chosen = min(first, key=lambda pot: pot.id)
            yield from chosen.those(Fate.FREE, Fate.OVER)
            pots.remove(chosen)

    def can_spend(self, since: int | None) -> int:
        return self.plain + sum(1 for _ in self.in_order(since))

    def take(self, number: int, since: int | None, fate: Fate) -> list[Coin]:
        """Takes coins of grants in their order, then plain ones, be they there or not."""
        taken = [*self.in_order(since)][:number]
        for coin in taken:
            coin.fate = fate
        self.plain -= number - len(taken)
        return taken + [Coin(None, fate) for _ in range(number - len(taken))]

    def pay_debt(self, since: int | None = None) -> None:
        for coin in [*self.in_order(since)]:
            if self.plain < 0:
                coin.fate = Fate.SPENT
                self.plain += 1

    # --- giving back

    def give_back(self, hold: Hold, why: str) -> None:
        while hold.coins:
            self.give_one_back(hold, hold.coins[-1], why)

    def give_one_back(self, hold: Hold, coin: Coin, why: str) -> None:
        """A coin of a hold goes back to where it came from. If that is over, so is the coin."""
        hold.coins.remove(coin)
        if not hold.coins:
            hold.end = why
        if coin.pot is None:
            self.plain += 1
        else:
            coin.fate = Fate.OVER if coin.pot.over(self.now) else Fate.FREE

    def restore(self, coin: Coin) -> None:
        """A coin that was spent comes back: to its grant if that is not over and one is missing there, or plain."""
        missing = [] if coin.pot is None or coin.pot.over(self.now) else coin.pot.those(Fate.SPENT)
        if missing:
            missing[0].fate = Fate.FREE
        else:
            self.plain += 1

    # --- taking back

    def still_there(self, credit: Credit) -> int:
        """What of it can be taken back: neither taken back already, nor expired, nor voided."""
        if credit.pot is None:
            return credit.unreversed
        return len(credit.pot.those(Fate.FUTURE, Fate.FREE, Fate.HELD, Fate.SPENT))

    def take_back(self, credit: Credit, number: int) -> None:
        """First what is in the grant, then what it spent, at last what holds have; what is not there is owed."""
        credit.taken += number
        pot = credit.pot
        if pot is None:
            self.plain -= number
            return
        there, spent = pot.those(Fate.FUTURE, Fate.FREE), pot.those(Fate.SPENT)
        for coin in there[:number]:
            coin.fate = Fate.GONE
        for coin in spent[: max(0, number - len(there))]:
            coin.fate = Fate.GONE
            self.plain -= 1
        for _ in range(number - len(there) - len(spent)):
            self.borrow_for_a_hold(pot)

    def borrow_for_a_hold(self, pot: Pot) -> None:
        """A coin that the newest hold has of this grant is taken; the hold keeps a plain one in its place."""
        hold = next(hold for hold in self.newest_first() if any(coin.pot is pot for coin in hold.coins))
        coin = [coin for coin in hold.coins if coin.pot is pot][-1]
        hold.coins.remove(coin)
        hold.coins.append(Coin(None, Fate.HELD))
        coin.fate = Fate.GONE
        self.plain -= 1

    def newest_first(self) -> list[Hold]:
        return sorted(self.holds.values(), key=lambda hold: (hold.made, hold.id), reverse=True)

    def cut_holds(self) -> None:
        """What holds have and is not covered any more, the newest first. A coin whose grant is over covers nothing
        when it comes back: those go when there are no others, and the wallet is in debt all the same."""
        while self.spendable < self.floor and self.held:
            holds = [hold for hold in self.newest_first() if hold.coins]
            covers = [
                (hold, coin)
                for hold in holds
                for coin in reversed(hold.coins)
                if coin.pot is None or not coin.pot.over(self.now)
            ]
            self.give_one_back(*(covers[0] if covers else (holds[0], holds[0].coins[-1])), "reversed")
            self.pay_debt()
