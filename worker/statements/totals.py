"""What a period adds up to: by reason, by whether credits were paid for, by producer; a sum for each word there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from models.domain.jobs.wallets import origin
from models.store.read.finance.statements import Period, StatedEntry
from worker.encoding.shown import decimal

GROUPS: Final = ("reason", "origin", "producer")


@dataclass(slots=True)
class Sum:
    """Entries of one sort, in units."""

    entries: int = 0
    credits: int = 0
    debits: int = 0  # negative

    def add(self, amount: int) -> None:
        self.entries += 1
        if amount > 0:
            self.credits += amount
        else:
            self.debits += amount

    @property
    def net(self) -> int:
        return self.credits + self.debits

    def document(self, scale: int) -> dict[str, Any]:
        units = {"credits": self.credits, "debits": self.debits, "net": self.net}
        decimals = {f"{name}_decimal": decimal(value, scale) for name, value in units.items()}
        return {"entries": self.entries, **units, **decimals}


@dataclass(slots=True)
class Totals:
    """All entries, and those of each word."""

    whole: Sum = field(default_factory=Sum)
    by: dict[str, dict[str, Sum]] = field(default_factory=lambda: {group: {} for group in GROUPS})

    def add(self, stated: StatedEntry) -> None:
        amount, note = stated.entry.amount, stated.entry.details
        self.whole.add(amount)
        words = {"reason": note.reason or note.kind.value, "origin": origin(note), "producer": stated.producer}
        for group, word in words.items():
            if word is not None:
                self.by[group].setdefault(word, Sum()).add(amount)

    def make(self, of: Period) -> bool:
        """Whether these are all entries of the period, and lead from its opening balance to its closing balance."""
        return self.whole.entries == of.entries and of.opening.balance + self.whole.net == of.closing.balance

    def rows(self) -> Iterator[tuple[str, str, Sum]]:
        """(group, word, sum), words in their order."""
        for group, sums in self.by.items():
            for word in sorted(sums):
                yield group, word, sums[word]

    def document(self, scale: int) -> dict[str, Any]:
        by = {group: {word: sums[word].document(scale) for word in sorted(sums)} for group, sums in self.by.items()}
        return {**self.whole.document(scale), **{f"by_{group}": sums for group, sums in by.items()}}
