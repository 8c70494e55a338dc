"""The audit of terms: what an account's row must say follows from its records and entries, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from models.domain.accounts import Account, WalletStatus
from models.domain.charging.charges import Charge
from models.domain.charging.policies import TopUpTrigger
from models.domain.deciding.commands import AUTO_TOP_UP
from models.domain.evidence.chains import RecordKind, charge_terms, moved_by, terms
from models.domain.ledger import Entry, EntryKind
from models.store.write.journals import Change

_ADDED: Final = {EntryKind.CREDIT, EntryKind.DEPOSIT}
_SPENT: Final = {EntryKind.WITHDRAWAL, EntryKind.DEBIT}


@dataclass(slots=True)
class Terms:
    """The terms of one account, as its records and entries so far leave them."""

    changes: Iterator[Change]
    charges: Iterable[Charge] = ()
    state: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    problems: list[tuple[int | None, str]] = field(default_factory=list)  # (seq of the entry, what is wrong)
    _next: Change | None = None

    def __post_init__(self) -> None:
        self._next = next(self.changes, None)

    def entered(self, entry: Entry, job_name: str | None, *, chained: bool) -> None:
        """The account's next entry. `chained`: it is covered with its job, so that the terms of its time are known."""
        while self._next is not None and self._next.after < entry.seq:
            self._change(self._next)
        if chained and (problem := self._forbidden(entry, job_name)):
            self.problems.append((entry.seq, problem))
        self.state |= moved_by(entry)

    def ended(self, account: Account) -> None:
        """After the last entry: compares what the account's row says."""
        while self._next is not None:
            self._change(self._next)
        if self.number == 0:
            self.problems.append((None, "no record says that it was made"))
            return
        if self.number != account.changes:
            self._wrong(f"has {account.changes} changes of its terms, and records of {self.number}")
        for name, (right, says) in self.differing(account).items():
            self._wrong(f"{name} is {says}, its records make it {right}")

    def differing(self, account: Account) -> dict[str, tuple[Any, Any]]:
        """{term: (as it is right, as the row says)}, of those that differ."""
        shown = terms(account)
        for charge in self.charges:
            shown |= charge_terms(charge)
        names = [*shown, *(name for name in self.state if name not in shown)]
        told = {name: (self.state.get(name), shown.get(name)) for name in names}
        return {name: (right, says) for name, (right, says) in told.items() if right != says}

    def _wrong(self, problem: str) -> None:
        self.problems.append((None, problem))

    def _change(self, change: Change) -> None:
        self._next = next(self.changes, None)
        if change.number != self.number + 1:
            self._wrong(f"change {change.number} of its terms follows change {self.number}: there is a gap")
        self.number = change.number
        for name, (was, now) in change.changes.items():
            known = self.state.get(name)
            if change.kind is not RecordKind.OPENING and was != known:
                self._wrong(f"{name} was {was} when job {change.job_id} changed it, its records made it {known} then")
            self.state[name] = now

    def _forbidden(self, entry: Entry, job_name: str | None) -> str | None:
        """What the terms of its time do not allow an entry, were they as the records say."""
        state = self.state
        if job_name == AUTO_TOP_UP and entry.details.kind in _ADDED:
            in_force = (
                state.get("trigger") in (TopUpTrigger.BALANCE_BELOW_THRESHOLD, TopUpTrigger.INTERVAL)
                and state.get("status") == WalletStatus.ACTIVE
                and state.get("suspended") is None
                and state.get("due_at") is not None
            )
            fixed = state.get("top_up_amount")
            if not in_force or fixed not in (None, entry.amount):
                return f"is an auto top-up of {entry.amount} that no policy on record asked for"
        floor = state.get("floor")
        held_to = floor if entry.details.kind in _SPENT and not state.get("overdraft_allowed") else None
        if held_to is not None and entry.balance_after < held_to:
            return f"leaves {entry.balance_after}, less than the floor on record, {floor}"
        return None
