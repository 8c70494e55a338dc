"""What there is in an account at one time: what publishers are told, beside what the ledger adds up to.

Nothing here waits for a sweep: grants and holds count as time has made them, whether or not it is written down yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.domain.accounts import Account
from models.domain.credits.balance import Move
from models.domain.credits.grants import Grant, consumption_order
from models.domain.credits.holds import Hold


@dataclass(frozen=True, slots=True)
class Levels:
    """In units of the account; the words are those of models/domain/credits/balance.py."""

    balance: int  # what is shown: without what has expired or has not begun
    ledger_balance: int  # Σ entries
    held: int
    spendable: int  # and the floor below it
    expired: int  # not written off yet
    future: int  # of grants that have not begun


def levels(account: Account, at: datetime) -> Levels:
    """What there is at this time."""
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


def open_grants(account: Account, at: datetime) -> tuple[Grant, ...]:
    """Those with something left or held: in the order in which a debit uses them up, then what cannot be used."""
    grants = Move(account, at).result().grants
    usable = consumption_order(grant for grant in grants if grant.open(at))
    listed = {grant.id for grant in usable}
    return (*usable, *(grant for grant in grants if grant.id not in listed and grant.remaining + grant.held))


def open_holds(account: Account, at: datetime) -> tuple[Hold, ...]:
    """Those that have not run out: what they reserve at this time."""
    return tuple(hold for hold in Move(account, at).result().holds if not hold.lapsed(at))
