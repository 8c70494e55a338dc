"""balance-worker accounts list | show"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from models.domain.accounts import Kind
from worker.cli.arguments import ACCOUNT_FORMS, account_key, account_name
from worker.cli.faults import NO, Stop
from worker.cli.listing import Listing
from worker.cli.output import AsJson, Column, decimal, facts, heading, remark, signed, table, when, write_json
from worker.cli.reading import reading

if TYPE_CHECKING:
    from datetime import datetime

    from models.domain.accounts import Account
    from models.domain.grants import Grant
    from models.domain.ledger import Entry
    from models.store.history import Row

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
  balance-worker accounts show user:telegram=99 --entries 5
  balance-worker accounts show app:1/2 --before 120 --json
"""
_UNITS_OF_FACE = ("min_balance", "top_up_amount")

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Users, wallets and apps with their balances.")


@group.command("list", epilog=_LIST_EXAMPLES)
def list_accounts(
    kind: Annotated[Kind | None, typer.Option(metavar="KIND", help="user, wallet or app.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="The page that follows the one ending with this account.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many accounts.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists accounts with their balances, in the order of their names."""
    from models.store.history import account_list

    start = account_key(after, "--after") if after else None
    with reading("accounts") as connection:
        found = account_list(connection, kind, limit + 1, start)
    nothing = "there are no more such accounts" if start else "there are no such accounts"
    _LISTING.show(found, limit, nothing, as_json=as_json)


@group.command("show", epilog=_SHOW_EXAMPLES)
def show_account(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help=f"{ACCOUNT_FORMS}.")],
    count: Annotated[
        int, typer.Option("--entries", metavar="N", min=0, max=10_000, help="How many of its entries.")
    ] = 20,
    before: Annotated[
        int | None, typer.Option(metavar="SEQ", min=1, help="Entries from before this number on.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Shows one account: its balance, what it is, its open grants and its entries, the newest first."""
    from models.store import history

    name = account_name(account, "ACCOUNT")
    with reading("the account") as connection:
        found = history.account(connection, name)
        if found is None:
            raise Stop(f"there is no account {account}: `balance-worker accounts list` shows which there are", NO)
        now = history.now(connection)
        entries = history.entries_of(connection, found.id, count, before)
    if as_json:
        write_json(_document(found, entries, now))
        return
    _tell(found, now)
    if entries:
        _tell_entries(entries, found.scale)


def _name(row: Row) -> str:
    return f"{row['kind']}:{row['ref']}"


def _summary(row: Row) -> dict[str, Any]:
    return {
        "account": _name(row),
        "balance": row["balance"],
        "balance_decimal": decimal(row["balance"], row["scale"]),
        "scale": row["scale"],
        "unit": row["unit"],
        "status": row["status"],
        "entries": row["seq"],
        "updated_at": row["updated_at"],
    }


def _row(row: Row) -> list[str]:
    balance = decimal(row["balance"], row["scale"])
    return [_name(row), balance, row["unit"], row["status"] or "", str(row["seq"]), when(row["updated_at"])]


_LISTING: Final = Listing(
    many="accounts",
    field="accounts",
    columns=[
        Column("account", whole=True),
        Column("balance", right=True),
        Column("unit"),
        Column("status"),
        Column("entries", right=True),
        Column("updated", whole=True),
    ],
    cells=_row,
    document=_summary,
    name=_name,
    way="after",
)


def _document(account: Account, entries: Sequence[Entry], now: datetime) -> dict[str, Any]:
    from models.domain.grants import locked

    blocked = locked(account.grants, now)
    return {
        "account": str(account.key),
        "balance": account.balance,
        "balance_decimal": decimal(account.balance, account.scale),
        "expired": blocked,
        "scale": account.scale,
        "unit": account.unit,
        "floor": account.floor,
        "entry_count": account.seq,
        "set_at": account.set_at,
        "created_at": account.created_at,
        "updated_at": account.updated_at,
        account.key.kind.value: asdict(account.face),
        "grants": [{**asdict(grant), "expired": grant.expired(now)} for grant in _in_order(account, now)],
        "entries": [_entry(entry, account.scale) for entry in entries],
        "next": entries[-1].seq if entries and entries[-1].seq > 1 else None,
    }


def _entry(entry: Entry, scale: int) -> dict[str, Any]:
    from models.contracts.outcome import entry_document

    note = entry.note
    return {
        **entry_document(entry, scale),
        "kind": note.kind.value,
        "reason": note.reason,
        "description": note.description,
        "job_id": note.job_id,
        "metadata": note.metadata,
        "listed": note.listed,
        "reverses": note.reverses,
    }


def _in_order(account: Account, now: datetime) -> list[Grant]:
    """Open grants in the order in which a debit uses them up; those that have expired, and wait for the sweep, last."""
    from models.domain.grants import consumption_order

    return [*consumption_order(account.grants, now), *(grant for grant in account.grants if grant.expired(now))]


def _tell(account: Account, now: datetime) -> None:
    from models.domain.grants import locked

    scale = account.scale
    blocked = locked(account.grants, now)
    facts(
        {
            "account": str(account.key),
            "balance": f"{decimal(account.balance, scale)} {account.unit}",
            "of it expired": decimal(blocked, scale) if blocked else "",
            "floor": "none" if account.floor is None else decimal(account.floor, scale),
            "entries": str(account.seq),
            "created": when(account.created_at),
            "updated": when(account.updated_at),
            "last set": when(account.set_at),
            **_face(account),
        }
    )
    if account.grants:
        heading("Open grants, in the order of use")
        columns = [
            Column("grant", whole=True),
            Column("left", right=True),
            Column("of", right=True),
            Column("priority", right=True),
        ]
        table(
            [*columns, Column("expires", whole=True), Column("state")],
            [
                (
                    str(grant.id),
                    decimal(grant.remaining, scale),
                    decimal(grant.amount, scale),
                    "" if grant.priority is None else str(grant.priority),
                    when(grant.expires_at),
                    "expired" if grant.expired(now) else "",
                )
                for grant in _in_order(account, now)
            ],
        )


def _face(account: Account) -> dict[str, str]:
    told: dict[str, str] = {}
    for field, value in asdict(account.face).items():
        told[field.replace("_", " ")] = _told(field, value, account.scale)
    return told


def _told(field: str, value: Any, scale: int) -> str:
    from datetime import datetime
    from decimal import Decimal

    from models.domain.idempotency import canonical
    from models.domain.money import text

    if field in _UNITS_OF_FACE:
        return decimal(value, scale)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, (dict, list)):
        return canonical(value) if value else ""
    return "" if value is None else str(value)


def _tell_entries(entries: Sequence[Entry], scale: int) -> None:
    heading("Entries")
    table(
        [
            Column("number", right=True),
            Column("created", whole=True),
            Column("amount", right=True),
            Column("balance", right=True),
            Column("kind"),
            Column("reason"),
            Column("job", whole=True),
        ],
        [
            (
                str(entry.seq),
                when(entry.note.at),
                signed(entry.amount, scale),
                decimal(entry.balance_after, scale),
                entry.note.kind.value,
                entry.note.reason or entry.note.description or "",
                str(entry.note.job_id),
            )
            for entry in entries
        ],
    )
    if entries[-1].seq > 1:
        remark(f"for the entries before these: --before {entries[-1].seq}")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="accounts")
