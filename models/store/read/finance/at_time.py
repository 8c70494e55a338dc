"""An account as it was at a time, told by its entries.

The balance is what the last entry before that time left. Grants and holds are replayed up to there by the rules, with
the terms of their rows, which never change; what of them had expired or not begun follows from the time itself. Floor,
status and profile have no place in entries: they are of now, and whoever shows them says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from models.domain.accounts import Account
from models.domain.credits.levels import Levels, levels
from models.store.read.credits import credits_of
from models.store.read.finance.moments import stood


@dataclass(frozen=True, slots=True)
class AccountThen:
    """An account as it was. `account`: with its balance, entries, grants and holds of then; all else is of now."""

    account: Account
    at: datetime
    levels: Levels
    problem: str | None  # a rule that its entries broke before: grants and holds are what it would have made of them


def account_then(connection: Connection, found: Account, at: datetime) -> AccountThen:
    """The account `found` at this time."""
    last = stood(connection, found.id, at)
    credits = credits_of(connection, found.id, found.key, up_to=last.seq)
    grants, holds = credits.grants_then(), credits.holds_then()
    then = replace(
        found,
        balance=last.balance,
        seq=last.seq,
        grants=grants,
        holds=holds,
        granted=sum(grant.remaining for grant in grants),
        held=sum(hold.remaining for hold in holds),
    )
    problem = next((f"entry number {seq} {said}" for seq, said in credits.replay.problems), None)
    return AccountThen(then, at, levels(then, at), problem)
