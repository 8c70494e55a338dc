"""A statement for a spreadsheet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TextIO

from models.domain.accounts import Account
from models.domain.jobs.wallets import origin
from models.domain.money import from_units
from models.store.read.finance.statements import Period, StatedEntry
from worker.encoding.spreadsheet import Spreadsheet
from worker.statements.totals import Totals

_COLUMNS: Final = (
    "row", "account", "unit", "number", "time", "amount", "balance", "held", "kind", "reason", "origin", "listed",
    "producer", "key", "job", "description",
)  # fmt: skip
UNLISTED: Final = "unlisted"


@dataclass
class Csv:
    """A row an entry between the opening and the closing balance; the totals below them."""

    account: Account
    period: Period
    file: TextIO

    def begin(self) -> None:
        self._sheet = Spreadsheet(self.file, _COLUMNS)
        self._standing("opening", self.period.since, self.period.opening.balance)

    def entry(self, stated: StatedEntry) -> None:
        entry, note = stated.entry, stated.entry.details
        self._sheet.row(
            "entry", str(self.account.key), self.account.unit, entry.seq, note.at, self._of(entry.amount),
            self._of(entry.balance_after), self._of(note.held) if note.held else None, note.kind.value, note.reason,
            origin(note), "" if note.listed else UNLISTED, stated.producer, stated.idempotency_key, str(note.job_id),
            note.description,
        )  # fmt: skip

    def end(self, totals: Totals) -> None:
        self._standing("closing", self.period.until, self.period.closing.balance)
        for group, word, each in totals.rows():
            place = {"reason": 9, "origin": 10, "producer": 12}[group]
            cells: list[Any] = [f"total by {group}", str(self.account.key), self.account.unit, each.entries, None]
            cells += [self._of(each.net), *[None] * (len(_COLUMNS) - len(cells) - 1)]
            cells[place] = word
            self._sheet.row(*cells)

    def _standing(self, row: str, at: datetime, units: int) -> None:
        balance = [None, at, None, self._of(units)]
        self._sheet.row(row, str(self.account.key), self.account.unit, *balance, *[None] * (len(_COLUMNS) - 7))

    def _of(self, units: int) -> Decimal:
        return from_units(units, self.account.scale)
