"""balance-worker accounts list | show"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer

from models.domain.accounts import Account, Kind, User, Wallet
from worker.cli.accounts.facts import account_document, account_facts
from worker.cli.accounts.levels import Levels, by_time, levels
from worker.cli.terminal.arguments import ACCOUNT_FORMS, account_key, account_name
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.listing import Listing
from worker.cli.terminal.output import AsJson, Column, decimal, facts, when, write_json
from worker.cli.terminal.reading import reading

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

_LIST_EXAMPLES = """\
\b
Examples:
  balance-worker accounts list --kind wallet
  balance-worker accounts list --after wallet:w100 --limit 100 --json
"""
_SHOW_EXAMPLES = """\
\b
Examples:
  balance-worker accounts show wallet:w1
  balance-worker accounts show wallet:w1 --grants --holds --entries 0
  balance-worker accounts show user:telegram=99 --entries 5
  balance-worker accounts show app:1/2 --before 120 --json
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """An account with what there is in it at one time."""

    account: Account
    levels: Levels


class Page(Protocol):
    """Grants or holds."""

    def document(self) -> list[dict[str, Any]]: ...

    def tell(self) -> None: ...


def list_accounts(
    kind: Annotated[Kind | None, typer.Option(metavar="KIND", help="user, wallet or app.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="The page that follows the one ending with this account.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many accounts.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists accounts with what is there now, in the order of their names.

    The balance is what publishers are told: credits that have expired or have not begun are not counted, whether or
    not a sweep has run. Where the ledger adds up to something else, that stands beside it.
    """
    from models.store.read import accounts as history

    start = account_key(after, "--after") if after else None
    with reading("accounts") as connection:
        now = history.now(connection)
        found = history.account_list(connection, kind, limit + 1, start)
    nothing = "there are no more such accounts" if start else "there are no such accounts"
    _LISTING.show([Shown(account, levels(account, now)) for account in found], limit, nothing, as_json=as_json)


def show_account(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help=f"{ACCOUNT_FORMS}.")],
    count: Annotated[
        int, typer.Option("--entries", metavar="N", min=0, max=10_000, help="How many of its entries.")
    ] = 20,
    before: Annotated[
        int | None, typer.Option(metavar="SEQ", min=1, help="Entries from before this number on.")
    ] = None,
    every_grant: Annotated[
        bool, typer.Option("--grants", help="Every grant there ever was, recomputed from the entries alone.")
    ] = False,
    every_hold: Annotated[bool, typer.Option("--holds", help="Every hold there ever was, and how it ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Shows one account: what is there now, what it is, its open grants and holds, its entries, the newest first.

    The balance is what publishers are told: credits that have expired or have not begun are not counted, whether or
    not a sweep has run. Spendable is what is not held either; a debit may go below it down to the floor.
    """
    from models.store.read import accounts as history
    from worker.cli.accounts.entries import entry_document, tell_entries

    name = account_name(account, "ACCOUNT")
    with reading("the account") as connection:
        found = history.account(connection, name)
        if found is None:
            raise Stop(f"there is no account {account}: `balance-worker accounts list` shows which there are", NO)
        now = history.now(connection)
        entries = history.entries_of(connection, found.id, count, before)
        pages = _pages(connection, found, now, every_grant=every_grant, every_hold=every_hold)
    shown = Shown(found, levels(found, now))
    if as_json:
        document = _summary(shown) | {"entry_count": found.seq} | account_document(found, now)
        document |= {name: page.document() for name, page in pages.items()}
        document["entries"] = [entry_document(entry, found.scale) for entry in entries]
        write_json({**document, "next": entries[-1].seq if entries and entries[-1].seq > 1 else None})
        return
    facts(_facts(shown) | account_facts(found, now))
    for page in pages.values():
        page.tell()
    if entries:
        tell_entries(entries, found.scale)


def _pages(
    connection: Connection, account: Account, now: datetime, *, every_grant: bool, every_hold: bool
) -> dict[str, Page]:
    """The grants and holds to be shown: all, as their entries make them, or the open ones, as time has made them."""
    from models.store.read.credits import credits_of
    from worker.cli.accounts.grants import EveryGrant, OpenGrants
    from worker.cli.accounts.holds import Holds

    found = by_time(account, now)
    pages: dict[str, Page] = {"grants": OpenGrants.of(found, now), "holds": Holds.open(found, now)}
    if every_grant or every_hold:
        credits = credits_of(connection, account.id, account.key)
        if every_grant:
            pages["grants"] = EveryGrant.of(connection, account, credits, now)
        if every_hold:
            pages["holds"] = Holds.every(account, credits, now)
    return pages


def _summary(shown: Shown) -> dict[str, Any]:
    account = shown.account
    return {
        "account": str(account.key),
        **shown.levels.document(account.scale),
        "scale": account.scale,
        "unit": account.unit,
        "status": _status(account),
        "entries": account.seq,
        "updated_at": account.updated_at,
    }


def _facts(shown: Shown) -> dict[str, str]:
    account, there = shown.account, shown.levels

    def told(units: int) -> str:
        return decimal(units, account.scale)

    of_wallet = {
        "held": told(there.held) if there.held else "",
        "spendable": told(there.spendable),
        "expired, not written off": told(there.expired) if there.expired else "",
        "not begun": told(there.future) if there.future else "",
        "in the ledger": told(there.ledger_balance),
    }
    return {
        "account": str(account.key),
        "balance": f"{told(there.balance)} {account.unit}",
        **(of_wallet if account.key.kind is Kind.WALLET else {}),
    }


def _status(account: Account) -> str | None:
    return account.profile.status.value if isinstance(account.profile, User | Wallet) else None


def _row(shown: Shown) -> list[str]:
    account, there = shown.account, shown.levels
    beside = (
        (there.held, 0),
        (there.expired, 0),
        (there.future, 0),
        (there.ledger_balance, there.balance),
    )
    return [
        str(account.key),
        decimal(there.balance, account.scale),
        decimal(there.spendable, account.scale),
        *("" if units == usual else decimal(units, account.scale) for units, usual in beside),
        account.unit,
        _status(account) or "",
        str(account.seq),
        when(account.updated_at),
    ]


_LISTING: Final[Listing[Shown]] = Listing(
    many="accounts",
    field="accounts",
    columns=[
        Column("account", whole=True),
        Column("balance", right=True),
        Column("spendable", right=True),
        *(Column(name, right=True, optional=True) for name in ("held", "expired", "future", "ledger")),
        Column("unit"),
        Column("status"),
        Column("entries", right=True),
        Column("updated", whole=True),
    ],
    cells=_row,
    document=_summary,
    name=lambda shown: str(shown.account.key),
    way="after",
)


def register(app: typer.Typer) -> None:
    from worker.cli.accounts import repair

    about = "Users, wallets and apps with their balances."
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=about)
    group.command("list", epilog=_LIST_EXAMPLES)(list_accounts)
    group.command("show", epilog=_SHOW_EXAMPLES)(show_account)
    repair.register(group)
    app.add_typer(group, name="accounts")
