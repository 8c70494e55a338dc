"""Random histories, looked at afterwards: what an account is said to have been at a time is what it was then.

1. What is told of a time by the entries alone, also of grants and holds, is what was shown at that time.
2. The balance at a time is that which the last entry before it left, wherever between two entries the time lies.
3. What a statement opens with and its entries add up to what it closes with; and both are the balances of those times.
4. A report says of every account what its statement says.
"""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine, text

from models.domain.accounts import Account, AccountKey
from models.domain.credits.levels import Levels
from models.store.connection.session import snapshot
from models.store.read.accounts import account_list, now
from models.store.read.finance.at_time import account_then
from models.store.read.finance.moments import stood
from models.store.read.finance.reports import report
from models.store.read.finance.statements import period, stated
from tests.property.drawn import histories
from tests.property.histories import History, play_on, setup_on
from tests.support.builders import reset, rows
from tests.support.search import DRAWN

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
on_a_database = settings(
    max_examples=DRAWN.examples(8, weight=20),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Seen = tuple[datetime, dict[AccountKey, tuple[Levels, int, Any]]]
"""A time, and what each account showed at it, with the number of its last entry, and its holds."""


def held(account: Account) -> list[tuple[Any, ...]]:
    return sorted((hold.id, hold.remaining, hold.captured, sorted(map(tuple, hold.backing))) for hold in account.holds)


def seen(engine: Engine) -> Seen:
    with snapshot(engine) as connection:
        found = account_list(connection, None, 100).rows
        return found[0].at, {each.account.key: (each.levels, each.account.seq, held(each.account)) for each in found}


@given(histories())
@on_a_database
def test_what_is_told_of_a_time_is_what_was_shown_at_it(engine: Engine, history: History) -> None:
    reset(engine)
    setup_on(engine)
    looks = [seen(engine), *(seen(engine) for _ in play_on(engine, history))]
    with snapshot(engine) as connection:
        accounts = {each.account.key: each.account for each in account_list(connection, None, 100).rows}
        for at, shown in looks:
            for key, (levels, seq, holds) in shown.items():
                then = account_then(connection, accounts[key], at)
                assert (then.levels, then.account.seq, then.problem) == (levels, seq, None)
                assert held(then.account) == holds


@given(histories())
@on_a_database
def test_the_balance_at_a_time_is_that_of_the_entry_before_it(engine: Engine, history: History) -> None:
    reset(engine)
    setup_on(engine)
    list(play_on(engine, history))
    written = rows(engine, "select account_id, seq, balance_after, created_at from entries order by account_id, seq")
    moments = {row["created_at"] + timedelta(microseconds=step) for row in written for step in (-1, 0, 1)}
    with snapshot(engine) as connection:
        for account_id in {row["account_id"] for row in written}:
            own = [row for row in written if row["account_id"] == account_id]
            for at in moments:
                before = [(row["seq"], row["balance_after"]) for row in own if row["created_at"] < at]
                found = stood(connection, account_id, at)
                assert (found.seq, found.balance) == (before[-1] if before else (0, 0))


@given(histories())
@on_a_database
def test_opening_and_entries_make_closing(engine: Engine, history: History) -> None:
    reset(engine)
    setup_on(engine)
    list(play_on(engine, history))
    times = [row["at"] for row in rows(engine, "select distinct created_at as at from entries order by 1")]
    with snapshot(engine) as connection:
        ends = [EPOCH, *times[:: max(1, len(times) // 3)], now(connection)]
        ids = {str(kind) + ":" + ref: number for kind, ref, number in connection.execute(text(
            "select kind, ref, id from accounts"
        ))}  # fmt: skip
        for since, until in combinations(ends, 2):
            told = {str(each.account): each for each in report(connection, since, until)}
            for name, account_id in ids.items():
                of = period(connection, account_id, since, until)
                amounts = [each.entry.amount for each in stated(connection, account_id, of)]
                assert of.opening.balance + sum(amounts) == of.closing.balance
                assert of.opening == stood(connection, account_id, since)
                assert of.closing == stood(connection, account_id, until)
                row = told.get(name)
                if row is None:
                    assert of.closing.seq == 0
                    continue
                assert (row.opening, row.closing, row.entries) == (of.opening.balance, of.closing.balance, len(amounts))
                assert row.credits == sum(amount for amount in amounts if amount > 0)
                assert row.debits == sum(amount for amount in amounts if amount < 0)
