"""A wallet's credits from its entries alone, by the rules of models/domain/credits/balance.py, entry by entry.

The audit reads whole ledgers with it: an entry that did what no rule allows is named, and from there on it goes by what
the rules would have made of it. Where that ends is what `balance-worker accounts repair` sets right. What an entry
cannot tell, from when to when a grant counts and its priority, is in the grant's row and never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from models.domain.credits.grants import Draw, Grant, consumption_order
from models.domain.credits.holds import HoldVerb
from models.domain.ledger import Entry, EntryKind

_TAKES_A_GRANT: Final = {EntryKind.EXPIRY, EntryKind.VOID}
_DRAWS_ARE_KNOWN: Final = {*_TAKES_A_GRANT, EntryKind.CORRECTION}


@dataclass(slots=True)
class Replay:
    """What is right after the entries applied so far. `terms`: the wallet's grants, by id."""

    terms: Mapping[UUID, Grant]
    balance: int = 0
    grants: dict[UUID, Grant] = field(default_factory=dict)
    holds: dict[UUID, int] = field(default_factory=dict)  # units left
    captured: dict[UUID, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)  # (seq, what breaks a rule)
    _made: dict[int, UUID] = field(default_factory=dict)  # grants, by the number of the entry that made them

    @property
    def plain(self) -> int:
        left = sum(grant.remaining for grant in self.grants.values())
        return self.balance - left - sum(self.holds.values())

    def apply(self, entry: Entry) -> None:
        """The next entry of the wallet, in their order."""
        details, amount = entry.details, entry.amount
        if details.kind is EntryKind.CORRECTION:
            self.problems.clear()  # an operator set right what was found so far
        self._hold_changes(entry)
        # Debts are paid before this entry's own move, with what time has brought, and after it, with what came of it.
        later = [*details.paid] if self.problems else [self._paid(grant_id, units) for grant_id, units in details.paid]
        if details.kind is EntryKind.REVERSAL and details.reverses in self._made:
            amount = self._reversal(entry, self._made[details.reverses])
        elif details.kind in _TAKES_A_GRANT and details.grant_id is not None:
            amount = self._taken(entry, details.grant_id)
        elif details.kind is EntryKind.CREDIT and details.grant_id is not None:
            self._granted(entry, details.grant_id)
        elif details.kind is EntryKind.CORRECTION:
            amount = self._corrected(entry)
        if details.kind not in _DRAWS_ARE_KNOWN:
            for grant_id, units in details.draws:
                self._drawn(entry, grant_id, units)
        self.balance += amount
        for grant_id, units in later:
            # A debt that by the rules had been paid before is not paid once more.
            self._drawn(entry, grant_id, min(units, max(0, -self.plain)) if self.problems else units)
        if self.grants:
            self._pay_debt(entry)

    def _paid(self, grant_id: UUID, units: int) -> Draw:
        """Takes what is there, and returns what is not yet."""
        grant = self.grants.get(grant_id)
        part = 0 if grant is None else min(units, grant.remaining)
        if grant is not None:
            self.grants[grant_id] = grant.less(part)
        return grant_id, units - part

    def _wrong(self, entry: Entry, problem: str) -> None:
        self.problems.append((entry.seq, problem))

    def _granted(self, entry: Entry, grant_id: UUID) -> None:
        terms = self.terms.get(grant_id)
        if terms is None:
            return  # the audit says so
        fresh = replace(terms, amount=entry.amount, remaining=entry.amount, held=0, reversed=0, expired=0, voided=0)
        self.grants[grant_id] = replace(fresh, voided_at=None)  # what ended it comes as an entry of its own
        self._made[entry.seq] = grant_id

    def _drawn(self, entry: Entry, grant_id: UUID, units: int) -> None:
        grant = self.grants.get(grant_id)
        if grant is None:
            return
        if units < 0:
            back = 0 if grant.lapsed(entry.details.at) else grant.returned(-units)
            if back < -units:
                self._wrong(entry, f"puts {-units} back into grant {grant_id}, which can take {back}")
            units = -back
        elif units > grant.remaining:
            self._wrong(entry, f"draws {units} from grant {grant_id}, which has {grant.remaining}")
            units = grant.remaining
        self.grants[grant_id] = grant.less(units)

    def _taken(self, entry: Entry, grant_id: UUID) -> int:
        """Expiry and voiding take what is left, no more and no less. Returns the amount that is right."""
        grant = self.grants.get(grant_id)
        if grant is None:
            return entry.amount
        left = grant.remaining
        if entry.details.kind is EntryKind.VOID:
            self.grants[grant_id] = replace(grant, remaining=0, voided=grant.voided + left, voided_at=entry.details.at)
        else:
            if not grant.lapsed(entry.details.at):
                self._wrong(entry, f"expires grant {grant_id} before its time")
            self.grants[grant_id] = replace(grant, remaining=0, expired=grant.expired + left)
        if -entry.amount != left:
            self._wrong(entry, f"takes {-entry.amount} of grant {grant_id}, which has {left}")
        return -left

    def _reversal(self, entry: Entry, grant_id: UUID) -> int:
        """Returns the amount that is right."""
        grant, units = self.grants[grant_id], -entry.amount
        gone = grant.reversed + grant.expired + grant.voided
        if grant.lapsed(entry.details.at):
            # Once it was taken before the sweep came: then it is reversed, and does not expire as well.
            gone += max(0, grant.remaining - dict(entry.details.draws).get(grant_id, 0))
        allowed = max(0, min(units, grant.amount - gone))
        if allowed < units:
            self._wrong(entry, f"takes {units} back of grant {grant_id}, of which {allowed} can be")
        self.grants[grant_id] = replace(grant, reversed=grant.reversed + allowed)
        return -allowed

    def _hold_changes(self, entry: Entry) -> None:
        for change in entry.details.holds:
            left = self.holds.get(change.hold_id, 0)
            if change.verb is HoldVerb.HOLD:
                self.holds[change.hold_id] = change.units
            else:
                if change.units > left:
                    self._wrong(entry, f"takes {change.units} from hold {change.hold_id}, which has {left}")
                self.holds[change.hold_id] = max(0, left - change.units)
            if change.verb is HoldVerb.CAPTURE:
                self.captured[change.hold_id] = self.captured.get(change.hold_id, 0) + change.units
            for part in change.parts:
                if (grant := self.grants.get(part.grant_id)) is not None:
                    held, remaining = grant.held + part.held, grant.remaining + part.remaining
                    if held < 0 or remaining < 0:
                        self._wrong(
                            entry, f"moves more between hold {change.hold_id} and grant {grant.id} than is there"
                        )
                    self.grants[grant.id] = replace(grant, held=max(0, held), remaining=max(0, remaining))

    def _pay_debt(self, entry: Entry) -> None:
        """Debt and open grants never stand side by side, and no hold beyond what is there for it."""
        debt = -self.plain
        if debt <= 0:
            return
        at = entry.details.at
        open_ = consumption_order(grant for grant in self.grants.values() if _open(grant, at))
        if open_:
            self._wrong(entry, f"leaves a debt of {debt} beside {sum(g.remaining for g in open_)} of open grants")
        for grant in open_:
            part = min(debt, grant.remaining)
            self.grants[grant.id] = grant.less(part)
            debt -= part

    def _corrected(self, entry: Entry) -> int:
        """The difference to what is right. That is what the rules have come to here; its draws lead the rows there."""
        amount = entry.balance_after - self.balance
        if amount:
            self._wrong(entry, f"corrects the balance to {entry.balance_after}; its entries make {self.balance} right")
        return amount


def _open(grant: Grant, at: datetime) -> bool:
    return grant.remaining > 0 and grant.open(at)
