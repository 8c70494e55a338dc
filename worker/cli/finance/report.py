"""balance-worker report"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from models.domain.accounts import Kind
from models.domain.money import SCALE_MAX, from_units
from models.store.read.finance.reports import AccountPeriod, report
from worker.cli.finance.statement import From, To, between
from worker.cli.terminal.output import AsJson, line
from worker.cli.terminal.streamed import StreamedJson, streaming
from worker.cli.terminal.tables import Column, heading, table
from worker.encoding.shown import decimal, when
from worker.encoding.spreadsheet import Spreadsheet

_EXAMPLES = """\
\b
Examples:
  balance-worker report --from 2027-01-01 --to 2027-02-01
  balance-worker report --from 2027-01-01 --to 2027-02-01 --csv > january.csv
  balance-worker report --kind wallet --from 30d --json
"""
_SCREEN: Final = 1_000  # accounts of one table
_SUMS: Final = ("opening", "credits", "debits", "closing")
_COLUMNS: Final = ("account", "unit", "currency", "entries", *_SUMS)
_RIGHT: Final = frozenset({"entries", "accounts", *_SUMS})


@dataclass(slots=True)
class _Total:
    """Accounts of one kind, unit and currency. Units at the finest scale, so that accounts of every scale add up."""

    accounts: int = 0
    entries: int = 0
    units: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0))

    def add(self, row: AccountPeriod) -> None:
        self.accounts += 1
        self.entries += row.entries
        for name in _SUMS:
            self.units[name] += getattr(row, name) * 10 ** (SCALE_MAX - row.scale)

    def decimals(self) -> dict[str, Decimal]:
        return {name: _shortest(units) for name, units in self.units.items()}


class _Totals:
    """A total for each kind, unit and currency that there is."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, str, str], _Total] = {}

    def add(self, row: AccountPeriod) -> None:
        self._by.setdefault((row.account.kind.value, row.unit, row.currency or ""), _Total()).add(row)

    def rows(self) -> list[tuple[tuple[str, str, str], _Total]]:
        return sorted(self._by.items(), key=lambda item: item[0])

    def documents(self) -> list[dict[str, Any]]:
        return [
            {
                "kind": kind,
                "unit": unit,
                "currency": currency or None,
                "accounts": each.accounts,
                "entries": each.entries,
            }
            | {f"{name}_decimal": format(value, "f") for name, value in each.decimals().items()}
            for (kind, unit, currency), each in self.rows()
        ]


def make_report(
    since: From = None,
    until: To = None,
    kind: Annotated[Kind | None, typer.Option(metavar="KIND", help="user, wallet or app.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV, for a spreadsheet.")] = False,
    as_json: AsJson = False,
) -> None:
    """Writes what every account opened with, got, spent and closed with, and totals by kind and currency.

    In the order of their names, an account a line, as of one moment, written as it is read: the number of accounts does
    not matter. Amounts are exact, and those of the ledger: credits that expire are in a balance until the entry that
    writes them off.
    """
    if as_csv and as_json:
        raise typer.BadParameter("choose one form", param_hint="--csv, --json")
    totals = _Totals()
    with streaming() as connection:
        start, end = between(connection, since, until)
        rows = report(connection, start, end, kind)
        if as_json:
            with StreamedJson({"from": start, "to": end}, "accounts") as stream:
                for row in rows:
                    totals.add(row)
                    stream.item(_document(row))
                stream.end({"totals": totals.documents()})
        elif as_csv:
            sheet = Spreadsheet(sys.stdout, ("row", *_COLUMNS))
            for row in rows:
                totals.add(row)
                amounts = (from_units(getattr(row, name), row.scale) for name in _SUMS)
                sheet.row("account", str(row.account), row.unit, row.currency, row.entries, *amounts)
            for (of, unit, currency), each in totals.rows():
                sheet.row("total", of, unit, currency, each.entries, *each.decimals().values())
        else:
            line(f"{when(start)} up to {when(end)}")
            shown: list[list[str]] = []
            for row in rows:
                totals.add(row)
                shown.append(_cells(row))
                if len(shown) == _SCREEN:
                    _show(shown)
            _show(shown)
            _show_totals(totals)


def _document(row: AccountPeriod) -> dict[str, Any]:
    units = {name: getattr(row, name) for name in _SUMS}
    decimals = {f"{name}_decimal": decimal(value, row.scale) for name, value in units.items()}
    return {**asdict(row), "account": str(row.account), **decimals}


def _cells(row: AccountPeriod) -> list[str]:
    amounts = (decimal(getattr(row, name), row.scale) for name in _SUMS)
    return [str(row.account), row.unit, row.currency or "", str(row.entries), *amounts]


def _show(rows: list[list[str]]) -> None:
    if rows:
        heading("Accounts")
        optional = {"currency"}
        table([Column(name, name in _RIGHT, name == "account", name in optional) for name in _COLUMNS], rows)
        rows.clear()


def _show_totals(totals: _Totals) -> None:
    names = ("kind", "unit", "currency", "accounts", "entries", *_SUMS)
    heading("Totals")
    table(
        [Column(name, name in _RIGHT, optional=name == "currency") for name in names],
        [
            [*key, str(each.accounts), str(each.entries), *(format(value, "f") for value in each.decimals().values())]
            for key, each in totals.rows()
        ],
    )


def _shortest(units: int) -> Decimal:
    """Units at the finest scale as a decimal with as many decimals as it needs. In integers: sums know no precision."""
    whole, rest = divmod(abs(units), 10**SCALE_MAX)
    decimals = f"{rest:0{SCALE_MAX}d}".rstrip("0")
    return Decimal(f"{'-' if units < 0 else ''}{whole}{'.' if decimals else ''}{decimals}")


def register(app: typer.Typer) -> None:
    app.command("report", epilog=_EXAMPLES)(make_report)
