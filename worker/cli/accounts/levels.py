"""What there is in an account at one time: what publishers are told, beside what the ledger adds up to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from models.domain.accounts import Account
from models.domain.credits.balance import Move
from worker.cli.terminal.output import decimal


@dataclass(frozen=True, slots=True)
class Levels:
    """In units; the words are those of models/domain/credits/balance.py."""

    balance: int  # what is shown: without what has expired or has not begun
    ledger_balance: int  # Σ entries
    held: int
    spendable: int  # and the floor below it
    expired: int  # not written off yet
    future: int  # of grants that have not begun

    def document(self, scale: int) -> dict[str, Any]:
        """For programs: each as units and as a decimal."""
        told: dict[str, Any] = {}
        for name, units in asdict(self).items():
            told |= {name: units, f"{name}_decimal": decimal(units, scale)}
        return told


def levels(account: Account, at: datetime) -> Levels:
    """What there is at this time, whether or not a sweep has run."""
    move = Move(account, at)
    left = [(grant, grant.remaining) for grant in move.grants.values()]
    return Levels(
        balance=move.credit,
        ledger_balance=account.balance,
        held=move.held,
        spendable=move.spendable,
        expired=sum(units for grant, units in left if grant.lapsed(at)),
        future=sum(units for grant, units in left if not grant.lapsed(at) and not grant.begun(at)),
    )


def by_time(account: Account, at: datetime) -> Account:
    """The account with its grants and holds as time has made them; what it writes down later changes nothing here."""
    return Move(account, at).result()
