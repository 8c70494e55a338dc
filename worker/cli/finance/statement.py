"""balance-worker accounts statement"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer
from sqlalchemy import Connection

from models.domain.accounts import Account
from models.store.read import accounts as history
from models.store.read.finance.statements import Period, period, stated
from worker.cli.finance.statement_forms import Form, Json, Markdown, Text
from worker.cli.terminal.arguments import account_name, since_when
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import AsJson
from worker.cli.terminal.streamed import bar, streaming
from worker.encoding.written import ACCOUNT_FORMS
from worker.statements.spreadsheet import Csv
from worker.statements.totals import Totals

_EXAMPLES = """\
\b
Examples:
  balance-worker accounts statement wallet:w1 --from 2027-01-01 --to 2027-02-01
  balance-worker accounts statement wallet:w1 --from 2027-01-01 --csv > january.csv
  balance-worker accounts statement user:42 --from 30d --json
  balance-worker accounts statement app:1/2 --md > app.md
"""
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES: Final = "2027-01-31, 2027-01-31T12:00:00Z, 30m, 12h or 7d"

From = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help=f"From then on: {_TIMES}. Absent: from the beginning.")
]
To = Annotated[
    str | None, typer.Option("--to", metavar="TIME", help="Up to then, which is no part of it. Absent: now.")
]


def between(connection: Connection, since: str | None, until: str | None) -> tuple[datetime, datetime]:
    """The times of --from and --to, by the database's clock."""
    now = history.now(connection)

    def moment(text: str, hint: str) -> datetime:
        at = since_when(text, hint)
        return now - at if isinstance(at, timedelta) else at

    start = _BEGINNING if since is None else moment(since, "--from")
    end = now if until is None else moment(until, "--to")
    if start > end:
        raise typer.BadParameter("this is before --from", param_hint="--to")
    return start, end


def statement(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help=f"{ACCOUNT_FORMS}.")],
    since: From = None,
    until: To = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV, for a spreadsheet.")] = False,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--md", help="Write Markdown.")] = False,
) -> None:
    """Writes an account's statement: what it opened with, every entry, what it closed with, and totals.

    Totals are by reason, by whether credits were purchased or free, and by producer. Amounts are exact. Entries that
    the user does not see (create_transaction: false) are there, and marked as unlisted. The balance is the ledger's:
    credits that expire are in it until the entry that writes them off. Entries are written as they are read, so that
    their number does not matter.
    """
    if as_csv + as_json + as_markdown > 1:
        raise typer.BadParameter("choose one form", param_hint="--csv, --json, --md")
    name = account_name(account, "ACCOUNT")
    with streaming() as connection:
        found = history.account(connection, name)
        if found is None:
            raise Stop(f"there is no account {account}: `balance-worker accounts list` shows which there are", NO)
        of = period(connection, found.id, *between(connection, since, until))
        plain = Json if as_json else Markdown if as_markdown else Text
        form: Form = Csv(found, of, sys.stdout) if as_csv else plain(found, of)
        _write(connection, found, of, form)


def _write(connection: Connection, account: Account, of: Period, form: Form) -> None:
    totals = Totals()
    with form.begin() or nullcontext():
        with bar("Writing entries", of.entries) as advance:
            for each in stated(connection, account.id, of):
                totals.add(each)
                form.entry(each)
                if advance is not None:
                    advance.by(1)
        form.end(totals)
    if not totals.make(of):
        raise Stop("the entries do not add up to the closing balance: `balance-worker verify` says where", NO)


def register(app: typer.Typer) -> None:
    app.command("statement", epilog=_EXAMPLES)(statement)
