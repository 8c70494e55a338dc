"""A wallet's grants and holds beside what its entries say of them: for the audit, for people, and for repairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from heapq import merge
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from models.domain.accounts import AccountKey
from models.domain.credits.grants import Grant, GrantUnits, WrongUnits
from models.domain.credits.holds import Hold, HoldChange, HoldEnd, HoldVerb
from models.domain.credits.replay import Replay
from models.domain.evidence.finding import Finding
from models.domain.ledger import Entry, EntryKind, made_by
from models.store.write import entries, grants, holds
from models.store.write.rows import ALL, Among

_Made = tuple[int, AccountKey, Grant | Hold]
_EVER: Final = datetime.max.replace(tzinfo=UTC)
_ENDS: Final = {
    EntryKind.CAPTURE: HoldEnd.CAPTURED,
    EntryKind.RELEASE: HoldEnd.RELEASED,
    EntryKind.REVERSAL: HoldEnd.REVERSED,
}


@dataclass(frozen=True, slots=True)
class WrongGrant:
    """A grant whose row is not what the entries make of it."""

    id: UUID
    row: GrantUnits  # as its row says
    right: GrantUnits

    @property
    def wrong(self) -> tuple[WrongUnits, ...]:
        """Its numbers that are not what they should be."""
        return self.row.differing(self.right)


@dataclass(slots=True)
class Credits:
    """One wallet. `grants` and `holds` are its rows; entries are applied in their order."""

    account: str
    grants: dict[UUID, Grant]
    holds: dict[UUID, Hold]
    replay: Replay = field(init=False)
    last: Entry | None = None
    left: dict[UUID, int] = field(default_factory=dict)  # of grants, as the entries say, right or wrong
    _granted: dict[UUID, int] = field(default_factory=dict)
    _pending: set[UUID] = field(default_factory=set)
    _backing: dict[UUID, dict[UUID, int]] = field(default_factory=dict)  # of holds, as the entries say
    _ended: dict[UUID, HoldEnd | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.replay = Replay(self.grants)

    def apply(self, entry: Entry) -> None:
        """The next entry of the wallet."""
        note, self.last = entry.details, entry
        if note.grant_id is not None and note.kind is EntryKind.CREDIT:
            self._granted[note.grant_id] = entry.amount
            self._take(note.grant_id, -entry.amount)
        for grant_id, units in (*note.draws, *note.paid):
            self._take(grant_id, units)
        for change in note.holds:
            for part in change.parts:
                self._take(part.grant_id, -part.remaining)
        self.replay.apply(entry)
        self._mark(entry)

    def _mark(self, entry: Entry) -> None:
        """What rows of grants and holds note beside their units."""
        note = entry.details
        grants = self.replay.grants
        if self._pending:
            waiting = (grants[grant_id] for grant_id in self._pending)
            self._pending = {grant.id for grant in waiting if grant.remaining and not grant.begun(note.at)}
        made = grants.get(note.grant_id) if note.grant_id and note.kind is EntryKind.CREDIT else None
        if made is not None and made.effective_at is not None:  # which is kept of those alone that begin later
            self._pending.add(made.id)
        for change in note.holds:
            backing = self._backing.setdefault(change.hold_id, {})
            for part in change.parts:
                backing[part.grant_id] = backing.get(part.grant_id, 0) + part.held
            over = not self.replay.holds.get(change.hold_id)
            self._ended[change.hold_id] = self._end(change, entry) if over else None

    def _end(self, change: HoldChange, entry: Entry) -> HoldEnd | None:
        """How a hold came to its end by this change, its last one."""
        if change.verb is HoldVerb.UNBACK:
            return self._ended.get(change.hold_id)
        hold = self.holds.get(change.hold_id)
        if change.verb is HoldVerb.RELEASE and hold is not None and hold.lapsed(entry.details.at):
            return HoldEnd.EXPIRED  # before whatever the entry did
        return _ENDS.get(entry.details.kind)

    def _take(self, grant_id: UUID, units: int) -> None:
        self.left[grant_id] = self.left.get(grant_id, 0) - units

    def made_by(self, entry: Entry) -> list[Any]:
        """The terms of the grant and the hold that an entry made, as their rows say now."""
        note = entry.details
        if note.grant_id is None and not note.holds:
            return []
        named = [self.grants[note.grant_id]] if note.grant_id in self.grants else []
        held = [self.holds[change.hold_id] for change in note.holds if change.hold_id in self.holds]
        return made_by(note, named, held)

    @property
    def granted(self) -> int:
        """Units left in its grants, as their rows say."""
        return sum(grant.remaining for grant in self.grants.values())

    @property
    def held(self) -> int:
        """Units left in its holds, as their rows say."""
        return sum(hold.remaining for hold in self.holds.values())

    def wrong_grants(self) -> dict[UUID, Grant]:
        """Grants as they are right by the rules, where their rows say something else."""
        return {
            grant_id: right
            for grant_id, right in self.replay.grants.items()
            if grant_id in self.grants and self.grants[grant_id].units != right.units
        }

    def differing_grants(self) -> tuple[WrongGrant, ...]:
        """The same with what their rows say."""
        return tuple(
            WrongGrant(grant_id, self.grants[grant_id].units, right.units)
            for grant_id, right in self.wrong_grants().items()
        )

    def wrong_holds(self) -> set[UUID]:
        """Holds whose rows are not what the entries make of them."""
        made = {hold_id: (left, self.replay.captured.get(hold_id, 0)) for hold_id, left in self.replay.holds.items()}
        return {hold_id for hold_id, hold in self.holds.items() if made.get(hold_id) != (hold.remaining, hold.captured)}

    def grants_then(self) -> tuple[Grant, ...]:
        """The grants after the entries applied, with something left or held, as a decision would have found them."""
        made = self.replay.grants.values()
        return tuple(
            replace(grant, pending=grant.id in self._pending) for grant in made if grant.remaining or grant.held
        )

    def holds_then(self) -> tuple[Hold, ...]:
        """The holds after the entries applied that had something left."""
        return tuple(
            replace(
                self.holds[hold_id],
                remaining=units,
                captured=self.replay.captured.get(hold_id, 0),
                backing=tuple(draw for draw in self._backing[hold_id].items() if draw[1]),
                ended=None,
            )
            for hold_id, units in self.replay.holds.items()
            if units and hold_id in self.holds
        )

    def spendable(self, balance: int, at: datetime) -> int:
        """What can be spent of this balance at this time, in units, less the floor."""
        gone = sum(grant.remaining for grant in self.grants.values() if not grant.open(at))
        return balance - gone - sum(hold.remaining for hold in self.holds.values() if not hold.lapsed(at))

    def cuttable(self, at: datetime) -> int:
        """What holds would have to give up for a debt: all but units of grants that are over, which stay with them."""
        over = {grant_id for grant_id, grant in self.grants.items() if grant.lapsed(at)}
        open_ = [hold for hold in self.holds.values() if not hold.lapsed(at)]
        return sum(hold.remaining - sum(part for grant, part in hold.backing if grant in over) for hold in open_)

    def findings(self, changed: datetime = _EVER) -> Iterator[Finding]:
        """What is wrong: the first rule that an entry broke, and rows that are not what the entries make of them.

        `changed`: when the account changed last, with an entry or without, where that is known.
        """
        for seq, problem in self.replay.problems[:1]:
            remedy = f"set it right with `balance-worker accounts repair {self.account}`"
            yield Finding(self.account, seq, f"{problem}; {remedy}")
        yield from self._grants()
        yield from self._holds()
        if not self.replay.problems:
            yield from self._marks(changed)

    def _marks(self, changed: datetime) -> Iterator[Finding]:
        for grant_id, right in self.replay.grants.items():
            grant = self.grants.get(grant_id)
            if grant is None:
                continue  # that is said already
            if grant.voided_at != right.voided_at:
                yield self._finding(f"grant {grant_id} was voided at {right.voided_at}, not {grant.voided_at}")
            # That it began is noted without an entry when no debt waited for it.
            noted = grant_id in self._pending and not grant.pending and grant.begun(changed)
            if grant.pending != (grant_id in self._pending) and not noted:
                yield self._finding(f"grant {grant_id} is{'' if grant.pending else ' not'} said to be waited for")
        for hold_id, hold in self.holds.items():
            backing = {grant: units for grant, units in self._backing.get(hold_id, {}).items() if units}
            if dict(hold.backing) != backing or len(hold.backing) != len(backing):
                yield self._finding(f"hold {hold_id} is not backed by the grants that its entries say")
            if hold.ended != self._ended.get(hold_id):
                told = self._ended.get(hold_id)
                yield self._finding(f"hold {hold_id} says it ended {hold.ended}, its entries make it {told}")

    def _finding(self, problem: str) -> Finding:
        return Finding(self.account, None, problem)

    def _grants(self) -> Iterator[Finding]:
        for grant_id, grant in self.grants.items():
            given, left = self._granted.get(grant_id), self.left.get(grant_id, 0)
            if given != grant.amount:
                yield self._finding(f"grant {grant_id} holds {grant.amount}, its entry gave {given}")
            if grant.remaining != left:
                yield self._finding(f"grant {grant_id} has {grant.remaining} left, its entries leave {left}")
        # After a broken rule the rows say what was made of it: that rule is what there is to tell.
        for grant_id, right in () if self.replay.problems else self.wrong_grants().items():
            row, told = asdict(self.grants[grant_id].units), asdict(right.units)
            yield self._finding(f"grant {grant_id} says {row}, its entries make it {told}")
        for grant_id in sorted({*self.left, *self._granted} - set(self.grants)):
            yield self._finding(f"entries name grant {grant_id}, which does not exist")

    def _holds(self) -> Iterator[Finding]:
        for hold_id in sorted(self.wrong_holds()):
            hold = self.holds[hold_id]
            left, captured = self.replay.holds.get(hold_id), self.replay.captured.get(hold_id, 0)
            row = f"has {hold.remaining} left and {hold.captured} captured"
            yield self._finding(f"hold {hold_id} {row}, its entries make it {left} and {captured}")
        for hold_id in sorted(set(self.replay.holds) - set(self.holds)):
            yield self._finding(f"entries name hold {hold_id}, which does not exist")


def credits_of_all(connection: Connection, among: Among = ALL) -> Iterator[tuple[int, Credits]]:
    """Every wallet that has or had a grant or a hold, in the order of their ids: (account id, credits)."""
    rows: Iterator[_Made] = merge(grants.every(connection, among), holds.every(connection, among), key=_account_id)
    for account_id, found in groupby(rows, key=_account_id):
        wallet = [*found]
        granted = {made.id: made for _, _, made in wallet if isinstance(made, Grant)}
        held = {made.id: made for _, _, made in wallet if isinstance(made, Hold)}
        yield account_id, Credits(str(wallet[0][1]), granted, held)


def _account_id(made: _Made) -> int:
    return made[0]


def credits_of(connection: Connection, account_id: int, key: AccountKey, up_to: int | None = None) -> Credits:
    """One wallet, with all its entries applied, or those up to number `up_to`, which are read through indexes alone."""
    if up_to is None:
        granted, held = grants.of_account(connection, account_id), holds.of_account(connection, account_id)
    else:
        grant_ids, hold_ids = entries.made(connection, account_id, up_to)
        granted = grants.load(connection, (), grant_ids).get(account_id, [])
        held = holds.load(connection, (), hold_ids).get(account_id, [])
    credits = Credits(str(key), {grant.id: grant for grant in granted}, {hold.id: hold for hold in held})
    if credits.grants or credits.holds or up_to is None:  # what is plain alone has nothing to be replayed
        for entry in entries.stream(connection, account_id, up_to):
            credits.apply(entry)
    return credits
