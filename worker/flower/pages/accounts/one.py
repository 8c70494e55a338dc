"""All that the page of one account shows, of one moment, at a cost that does not grow with its entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from models.domain.accounts import Account, AccountKey, Kind
from models.domain.credits.grants import Grant, GrantState
from models.domain.credits.holds import Hold
from models.domain.credits.levels import Levels, levels, open_grants, open_holds
from models.domain.deciding.commands import TelegramUser
from models.store.read.accounts import account, now
from models.store.read.finance.at_time import account_then
from models.store.read.finance.course import Course, course
from models.store.read.finance.moments import stood
from models.store.read.finance.statements import StatedEntry, latest
from models.store.read.page import Page as Rows
from models.store.write.entries import reversed_of
from worker.encoding.shown import when
from worker.encoding.written import Unreadable
from worker.flower.pages.accounts.chart import Chart, chart

PERIODS: Final[Mapping[str, timedelta | None]] = {
    "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30), "all": None,
}  # fmt: skip
PERIOD: Final = "30d"
REPLAYED: Final = 2_000  # entries, for the grants and holds of a time: a tenth of a second
_ROWS: Final = 50
_POINTS: Final = 200  # of a chart: more than a narrow page has room for
_MOMENT: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Shown:
    """An account, now or as it was."""

    account: Account
    at: datetime
    past: bool
    levels: Levels | None  # None: of a time, and too many entries were to be replayed
    grants: tuple[Grant, ...]  # in the order in which they are spent, then those that cannot be
    holds: tuple[Hold, ...]
    problem: str | None  # why grants and holds are not what a decision found then
    course: Course
    chart: Chart
    entries: Rows[StatedEntry]
    taken: dict[int, int]  # units that were taken back, by the number of the entry

    @property
    def usable(self) -> int:
        """How many of the grants a debit can use."""
        return sum(grant.state(self.at) is GrantState.OPEN and grant.remaining > 0 for grant in self.grants)

    @property
    def plain(self) -> int:
        """What a debit uses after the grants."""
        there = 0 if self.levels is None else self.levels.spendable
        return there - sum(grant.remaining for grant in self.grants[: self.usable])


def one(
    connection: Connection,
    target: AccountKey | TelegramUser,
    then: datetime | timedelta | None,
    period: timedelta | None,
    before: int | None,
) -> Shown | None:
    """The account now, or `then`; the chart of so long before, or of all there was; entries from `before` on. None:
    there is no such account. Raises Unreadable for a time at which there was none.
    """
    found = account(connection, target)
    if found is None:
        return None
    today, problem = now(connection), None
    at = today if then is None else today - then if isinstance(then, timedelta) else then
    there: Levels | None = levels(found, today)
    if then is not None:
        found, there, problem = _as_it_was(connection, found, at, today)
    grants, holds = (open_grants(found, at), open_holds(found, at)) if there is not None else ((), ())
    since = found.created_at if period is None else max(found.created_at, at - period)
    drawn = course(connection, found.id, since, max(at, since + _MOMENT), _POINTS)
    entries = latest(connection, found.id, _ROWS, found.seq + 1 if before is None else min(before, found.seq + 1))
    taken = {seq: units for (_, seq), units in reversed_of(connection, [each.entry for each in entries.rows]).items()}
    return Shown(
        found, at, then is not None, there, grants, holds, problem, drawn, chart(drawn, found.scale), entries, taken
    )


def _as_it_was(
    connection: Connection, found: Account, at: datetime, today: datetime
) -> tuple[Account, Levels | None, str | None]:
    """The account of then, what was in it, and what is to be said of it."""
    if at > today:
        raise Unreadable(f"{when(at)} has not come yet: it is {when(today)} where the ledger is")
    if at <= found.created_at:
        raise Unreadable(f"there was no account {found.key} yet: it was opened at {when(found.created_at)}")
    last = stood(connection, found.id, at)
    if found.key.kind is Kind.WALLET and last.seq <= REPLAYED:
        then = account_then(connection, found, at)
        return then.account, then.levels, then.problem
    plain = replace(found, balance=last.balance, seq=last.seq, grants=(), holds=(), granted=0, held=0)
    return plain, None if found.key.kind is Kind.WALLET else levels(plain, at), None
