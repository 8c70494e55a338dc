"""A statement in its forms, each written while its entries are read: for people, programs and documents. That for
spreadsheets is worker/statements/spreadsheet.py."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from models.domain.accounts import Account
from models.store.read.finance.statements import Period, StatedEntry
from worker.cli.accounts.entries import entry_document
from worker.cli.terminal.output import line
from worker.cli.terminal.streamed import StreamedJson, markdown_header, markdown_row, plain
from worker.cli.terminal.tables import Column, heading, table
from worker.encoding.shown import decimal, signed, when
from worker.statements.spreadsheet import UNLISTED
from worker.statements.totals import Sum, Totals

_SCREEN: Final = 1_000  # entries of one table: its columns are as wide as these need
_TOTALS: Final = ("of", "which", "entries", "credits", "debits", "net")
_ENTRIES: Final = ("number", "time", "amount", "balance", "kind", "reason", "producer", "key")
_RIGHT: Final = frozenset({"number", "amount", "balance", "entries", "credits", "debits", "net"})


class Form(Protocol):
    """How a statement is written: its begin, each entry, its end. What begins it is a block where it has to be closed
    when it fails half way."""

    def begin(self) -> AbstractContextManager[object] | None: ...

    def entry(self, stated: StatedEntry) -> None: ...

    def end(self, totals: Totals) -> None: ...


@dataclass
class Json:
    """One document, an entry a line."""

    account: Account
    period: Period

    def begin(self) -> StreamedJson:
        self._stream = StreamedJson(heads(self.account, self.period), "entries")
        return self._stream

    def entry(self, stated: StatedEntry) -> None:
        document = entry_document(stated.entry, self.account.scale)
        decimals = {
            f"{name}_decimal": decimal(document[name], self.account.scale) for name in ("amount", "balance_after")
        }
        asked = {"producer": stated.producer, "idempotency_key": stated.idempotency_key, "job": stated.job_name}
        self._stream.item({**document, **decimals, **asked})

    def end(self, totals: Totals) -> None:
        self._stream.end({"totals": totals.document(self.account.scale)})


@dataclass
class Markdown:
    """A page with two tables."""

    account: Account
    period: Period

    def begin(self) -> None:
        line(f"# Statement of {plain(str(self.account.key))}")
        line("")
        line(plain(_sentence(self.account, self.period)))
        line("")
        markdown_header(_ENTRIES, _RIGHT)

    def entry(self, stated: StatedEntry) -> None:
        markdown_row(_row(stated, self.account.scale))

    def end(self, totals: Totals) -> None:
        line("")
        markdown_header(_TOTALS, _RIGHT)
        for group, word, each in totals.rows():
            markdown_row([group, word, *_sums(each, self.account.scale)])


@dataclass
class Text:
    """Tables of a thousand entries each."""

    account: Account
    period: Period
    _rows: list[list[str]] = field(default_factory=list)

    def begin(self) -> None:
        line(_sentence(self.account, self.period))

    def entry(self, stated: StatedEntry) -> None:
        self._rows.append(_row(stated, self.account.scale))
        if len(self._rows) == _SCREEN:
            self._show()

    def end(self, totals: Totals) -> None:
        self._show()
        if totals.whole.entries:
            heading("Totals")
            rows = [[group, word, *_sums(each, self.account.scale)] for group, word, each in totals.rows()]
            rows.append(["all", "", *_sums(totals.whole, self.account.scale)])
            table([Column(name, right=name in _RIGHT) for name in _TOTALS], rows)

    def _show(self) -> None:
        if self._rows:
            heading("Entries")
            whole = {"time", "number"}
            table([Column(name, right=name in _RIGHT, whole=name in whole) for name in _ENTRIES], self._rows)
            self._rows.clear()


def heads(account: Account, of: Period) -> dict[str, Any]:
    """Whose statement it is, of which time, and where the account stood at both ends."""

    def told(units: int, seq: int) -> dict[str, Any]:
        return {"balance": units, "balance_decimal": decimal(units, account.scale), "seq": seq}

    return {
        "account": str(account.key),
        "unit": account.unit,
        "scale": account.scale,
        "from": of.since,
        "to": of.until,
        "opening": told(of.opening.balance, of.opening.seq),
        "closing": told(of.closing.balance, of.closing.seq),
    }


def _sentence(account: Account, of: Period) -> str:
    opening, closing = (decimal(each.balance, account.scale) for each in (of.opening, of.closing))
    count = f"{of.entries} entr{'y' if of.entries == 1 else 'ies'}"
    times = f"{when(of.since)} up to {when(of.until)}"
    return f"{account.key}, {times}: opening {opening}, {count}, closing {closing} {account.unit}"


def _row(stated: StatedEntry, scale: int) -> list[str]:
    entry, note = stated.entry, stated.entry.details
    reason = note.reason or note.description or ""
    return [
        str(entry.seq),
        when(note.at),
        signed(entry.amount, scale),
        decimal(entry.balance_after, scale),
        note.kind.value,
        reason if note.listed else f"{reason} ({UNLISTED})".strip(),
        stated.producer,
        stated.idempotency_key,
    ]


def _sums(each: Sum, scale: int) -> list[str]:
    return [str(each.entries), *(decimal(units, scale) for units in (each.credits, each.debits, each.net))]
