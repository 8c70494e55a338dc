"""An account as it was at a time: what its entries before it tell, and nothing that they do not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from models.domain.accounts import AccountKey
from models.domain.credits.levels import open_grants, open_holds
from models.domain.deciding.commands import TelegramUser
from models.store.read import accounts as history
from models.store.read.entries import entries_of
from models.store.read.finance.at_time import AccountThen, account_then
from worker.cli.accounts.entries import entry_document, tell_entries
from worker.cli.accounts.grants import OpenGrants
from worker.cli.accounts.holds import OpenHolds
from worker.cli.accounts.levels import level_facts, levels_document
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import remark, write_json
from worker.cli.terminal.reading import reading
from worker.cli.terminal.tables import facts
from worker.encoding.shown import when


def show_then(
    text: str, name: AccountKey | TelegramUser, asked: datetime | timedelta, count: int, before: int | None,
    *, as_json: bool,
) -> None:  # fmt: skip
    """Shows the account as it was."""
    with reading("the account") as connection:
        found = history.account(connection, name)
        if found is None:
            raise Stop(f"there is no account {text}: `balance-worker accounts list` shows which there are", NO)
        now = history.now(connection)
        at = now - asked if isinstance(asked, timedelta) else asked
        if at > now:
            raise Stop(f"{when(at)} has not come yet: it is {when(now)} where the ledger is")
        if at <= found.created_at:
            raise Stop(f"there was no account {text} yet: it was opened at {when(found.created_at)}", NO)
        then = account_then(connection, found, at)
        entries = entries_of(connection, found.id, count, min(before or then.account.seq + 1, then.account.seq + 1))
    grants = OpenGrants(open_grants(then.account, at), at, found.scale)
    holds = OpenHolds(open_holds(then.account, at), found.scale)
    if as_json:
        document = _document(then) | {"grants": grants.document(), "holds": holds.document()}
        document["entries"] = [entry_document(entry, found.scale) for entry in entries.rows]
        write_json({**document, "next": entries.last and entries.last.seq})
        return
    facts({**level_facts(then.account, then.levels), "at": when(at), "entries": str(then.account.seq)})
    grants.tell()
    holds.tell()
    if entries.rows:
        tell_entries(entries, found.scale)
    if then.problem is not None:
        remark(f"grants and holds are what the rules make of the entries, which broke one: {then.problem}")


def _document(then: AccountThen) -> dict[str, Any]:
    account = then.account
    return {
        "account": str(account.key),
        "at": then.at,
        **levels_document(then.levels, account.scale),
        "scale": account.scale,
        "unit": account.unit,
        "entry_count": account.seq,
        "problem": then.problem,
    }
