"""balance-worker accounts list | show"""

from __future__ import annotations

from typing import Annotated, Any, Final, Protocol

import typer
from sqlalchemy import Connection

from models.domain.accounts import Account, Kind
from models.domain.credits.levels import open_grants, open_holds
from models.store.read import accounts as history
from models.store.read.accounts import AccountNow
from models.store.read.credits import credits_of
from models.store.read.entries import entries_of
from models.store.read.explained import every_grant as grants_ever
from models.store.read.explained import every_hold as holds_ever
from models.store.read.top_ups import standing
from worker.cli.accounts.entries import entry_document, tell_entries
from worker.cli.accounts.facts import account_document, account_facts
from worker.cli.accounts.grants import EveryGrant, OpenGrants
from worker.cli.accounts.holds import EveryHold, OpenHolds
from worker.cli.accounts.levels import level_facts, levels_document
from worker.cli.accounts.then import show_then
from worker.cli.terminal.arguments import account_key, account_name, since_when
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.listing import Listing
from worker.cli.terminal.output import AsJson, write_json
from worker.cli.terminal.reading import reading
from worker.cli.terminal.tables import Column, facts
from worker.encoding.shown import decimal, when
from worker.encoding.written import ACCOUNT_FORMS
from worker.runtime import limits_of
from worker.settings.settings import load_settings
from worker.wording.top_ups import sentence

_LIST_EXAMPLES = """\
\b
Examples:
  balance-worker accounts list --kind wallet
  balance-worker accounts list --customer c-17
  balance-worker accounts list --after wallet:w100 --limit 100 --json
"""
_SHOW_EXAMPLES = """\
\b
Examples:
  balance-worker accounts show wallet:w1
  balance-worker accounts show wallet:w1 --grants --holds --entries 0
  balance-worker accounts show wallet:w1 --at 2027-01-31T12:00:00Z
  balance-worker accounts show user:telegram=99 --entries 5
  balance-worker accounts show app:1/2 --before 120 --json
"""


class Part(Protocol):
    """Grants or holds."""

    def document(self) -> list[dict[str, Any]]: ...

    def tell(self) -> None: ...


def list_accounts(
    kind: Annotated[Kind | None, typer.Option(metavar="KIND", help="user, wallet or app.")] = None,
    customer: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The wallets of this customer, in the order in which they were opened."),
    ] = None,
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
    start = account_key(after, "--after") if after else None
    if customer is not None and kind not in (None, Kind.WALLET):
        raise typer.BadParameter("wallets alone have a customer", param_hint="--customer")
    with reading("accounts") as connection:
        if customer is None:
            page = history.account_list(connection, kind, limit, start)
        else:
            page = history.accounts_of_customer(connection, customer, limit, start)
    nothing = "there are no more such accounts" if start else "there are no such accounts"
    _LISTING.show(page, nothing, as_json=as_json)


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
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="As it was then: 2027-01-31T12:00:00Z, 12h or 7d.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Shows one account: what is there now, what it is, its open grants and holds, its entries, the newest first.

    The balance is what publishers are told: credits that have expired or have not begun are not counted, whether or
    not a sweep has run. Spendable is what is not held either; a debit may go below it down to the floor.

    With --at it is what the entries before that time tell: balance, grants and holds as they were. They do not tell its
    floor, its status and its profile, which are not shown.
    """
    name = account_name(account, "ACCOUNT")
    if at is not None:
        if every_grant or every_hold:
            raise typer.BadParameter("shows the open ones of then: leave --grants and --holds out", param_hint="--at")
        show_then(account, name, since_when(at, "--at"), count, before, as_json=as_json)
        return
    with reading("the account") as connection:
        found = history.account_now(connection, name)
        if found is None:
            raise Stop(f"there is no account {account}: `balance-worker accounts list` shows which there are", NO)
        entries = entries_of(connection, found.account.id, count, before)
        top_up = None if found.account.policy is None else _top_up(connection, found.account)
        parts = _parts(connection, found, every_grant=every_grant, every_hold=every_hold)
    scale = found.account.scale
    if as_json:
        document = _summary(found) | {"entry_count": found.account.seq} | account_document(found.account, top_up)
        document |= {name: part.document() for name, part in parts.items()}
        document["entries"] = [entry_document(entry, scale) for entry in entries.rows]
        write_json({**document, "next": entries.last and entries.last.seq})
        return
    facts(level_facts(found.account, found.levels) | account_facts(found.account, top_up))
    for part in parts.values():
        part.tell()
    if entries.rows:
        tell_entries(entries, scale)


def _top_up(connection: Connection, account: Account) -> str | None:
    """Where its auto top-up stands, in a sentence."""
    settings = load_settings()
    stands = standing(connection, account.key, limits_of(settings))
    return None if stands is None else sentence(stands, settings.topup_scan_every_s)


def _parts(connection: Connection, found: AccountNow, *, every_grant: bool, every_hold: bool) -> dict[str, Part]:
    """The grants and holds to be shown: all, as their entries make them, or the open ones, as time has made them."""
    account, at = found.account, found.at
    parts: dict[str, Part] = {
        "grants": OpenGrants(open_grants(account, at), at, account.scale),
        "holds": OpenHolds(open_holds(account, at), account.scale),
    }
    if every_grant or every_hold:
        credits = credits_of(connection, account.id, account.key)
        if every_grant:
            parts["grants"] = EveryGrant(grants_ever(connection, account.id, credits, at), account.scale)
        if every_hold:
            parts["holds"] = EveryHold(holds_ever(credits, at), account.scale)
    return parts


def _summary(found: AccountNow) -> dict[str, Any]:
    account = found.account
    return {
        "account": str(account.key),
        **levels_document(found.levels, account.scale),
        "scale": account.scale,
        "unit": account.unit,
        "status": account.status,
        "entries": account.seq,
        "updated_at": account.updated_at,
    }


def _row(found: AccountNow) -> list[str]:
    account, there = found.account, found.levels
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
        account.status or "",
        str(account.seq),
        when(account.updated_at),
    ]


_LISTING: Final[Listing[AccountNow]] = Listing(
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
    name=lambda found: str(found.account.key),
    way="after",
)


def register(app: typer.Typer) -> None:
    app.command("list", epilog=_LIST_EXAMPLES)(list_accounts)
    app.command("show", epilog=_SHOW_EXAMPLES)(show_account)
