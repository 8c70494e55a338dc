"""What the page of an account reads costs by what it shows: however many accounts there are, and entries of one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product

import pytest
from sqlalchemy import Connection, Engine

from models.domain.accounts import AccountKey, Kind
from models.store.connection.session import snapshot
from models.store.read.accounts import account, account_list, accounts_named, accounts_of_customer, name_of
from models.store.read.finance.course import course
from models.store.read.finance.statements import latest
from tests.integration.store.test_finance_plans import looked_at, plans
from tests.support.builders import execute, job, settle
from tests.support.many import many_entries
from worker.flower.pages.accounts.one import PERIODS, REPLAYED, one
from worker.flower.pages.accounts.undo import Wanted, seen_of
from worker.settings.settings import Settings

pytestmark = pytest.mark.tampered_ledger
ENTRIES, IDLE, POINTS, BITS = 20_000, 3_000, 200, 16
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOT = AccountKey(Kind.WALLET, "hot")


@pytest.fixture
def large(engine: Engine) -> Engine:
    """A wallet with 20,000 entries, and 3,000 wallets of two customers; many grants and holds of others."""
    settle(engine, job("wallets.create", wallet_id="hot", scale=0, customer_id="c1"))
    settle(engine, *(
        job("wallets.create", wallet_id=f"w{number}", customer_id=f"c{number % 2}") for number in range(IDLE)
    ))  # fmt: skip
    execute(
        engine,
        "insert into grants (id, account_id, amount, remaining, priority, created_at, pending, held, reversed, expired,"
        " voided, warned) select gen_random_uuid(), id, 1, 0, 1, now(), false, 0, 0, 0, 0, false"
        " from accounts cross join generate_series(1, 3) where ref like 'w%'",
    )
    execute(
        engine,
        "insert into holds (id, account_id, amount, remaining, captured, backing, expires_at, created_at, ended)"
        " select gen_random_uuid(), id, 1, 0, 1, '[]', now(), now(), 'captured' from accounts where ref like 'w%'",
    )
    many_entries(engine, "hot", ENTRIES)
    return engine


WAYS: list[Callable[[Connection], object]] = [
    lambda connection: account_list(connection, None, 50, AccountKey(Kind.WALLET, "w2")),
    lambda connection: account_list(connection, Kind.WALLET, 50, AccountKey(Kind.USER, "1")),
    lambda connection: accounts_of_customer(connection, "c1", 50, AccountKey(Kind.WALLET, "w1501")),
    lambda connection: accounts_named(connection, "w77"),
    lambda connection: name_of(connection, 77),
]


def test_a_list_looks_at_the_accounts_that_it_shows(large: Engine) -> None:
    with snapshot(large) as connection:
        for number, ask in enumerate(WAYS):
            steps = [*plans(connection, partial(ask, connection))]
            assert 0 < looked_at(steps, "accounts") <= 110, number
            assert looked_at(steps, "wallets") <= 110, number
            assert not [step for step in steps if step["Node Type"] == "Seq Scan"], number


def test_an_account_looks_at_so_many_entries_and_no_more(large: Engine) -> None:
    """Now, long ago, and at its beginning, where grants and holds are replayed."""
    with snapshot(large) as connection:
        for seconds, period in product((None, 15_000, REPLAYED - 10), PERIODS.values()):
            then, told = None if seconds is None else EPOCH + timedelta(seconds=seconds), (seconds, period)
            shown = one(connection, HOT, then, period, None)
            assert shown is not None
            assert shown.account.seq == (ENTRIES if seconds is None else seconds - 1)
            assert (shown.levels is None) is (seconds == 15_000), "too many to be replayed"
            assert len(shown.entries.rows) == 50
            steps = [*plans(connection, partial(one, connection, HOT, then, period, None))]
            replayed = 2 * REPLAYED if seconds == REPLAYED - 10 else 0
            assert 0 < looked_at(steps, "entries") <= POINTS * (BITS + 2) + replayed + 200, told
            assert looked_at(steps, "jobs") <= 60, told
            assert not [step for step in steps if step["Node Type"] == "Seq Scan"], told


def test_a_course_is_every_entry_of_few_and_a_look_at_many(large: Engine) -> None:
    with snapshot(large) as connection:
        found = account(connection, HOT)
        assert found is not None
        few = course(connection, found.id, EPOCH + timedelta(seconds=100), EPOCH + timedelta(seconds=150), POINTS)
        assert few.whole
        assert [units for _, units in few.points] == [99, *range(100, 150), 149]
        many = course(connection, found.id, EPOCH, EPOCH + timedelta(seconds=ENTRIES), POINTS)
        assert not many.whole
        # Entry number n is of second n: before a moment there are as many as whole seconds have passed.
        for at, units in many.points[1:-1]:
            assert units == (at - EPOCH - timedelta(microseconds=1)) // timedelta(seconds=1)
        assert len(many.points) == POINTS + 2


def test_undoing_is_seen_through_indexes(large: Engine) -> None:
    with snapshot(large) as connection:
        found = account(connection, HOT)
        assert found is not None
        [newest] = latest(connection, found.id, 1, ENTRIES + 1).rows
        job_id, wanted = newest.entry.details.job_id, Wanted(None, force=False)
        seen = seen_of(connection, Settings(), job_id, wanted)
        assert seen is not None
        assert [entry.amount for entry in seen.undo.written] == [-1]
        steps = [*plans(connection, lambda: seen_of(connection, Settings(), job_id, wanted))]
    assert 0 < looked_at(steps, "entries") <= 5
    assert not [step for step in steps if step["Node Type"] == "Seq Scan"]
