"""What finance asks costs by what is told, not by what there is: plans through indexes, and memory that stays."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from models.domain.accounts import AccountKey, Kind
from models.store.connection.session import snapshot
from models.store.read.accounts import account, accounts_of_customer
from models.store.read.finance.moments import stood
from models.store.read.finance.reports import report
from models.store.read.finance.settled_keys import letters_under, settled_keys
from models.store.read.finance.statements import _PERIOD, period, stated
from models.store.read.jobs import JobFilter, jobs
from tests.support.builders import done, execute, job, settle
from tests.support.many import many_entries

pytestmark = pytest.mark.tampered_ledger
COUNT = 4_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def large(engine: Engine) -> Engine:
    """20 wallets of 5 customers with 4000 entries each, and 2000 that nobody ever touched."""
    settle(engine, *(
        job("wallets.create", wallet_id=f"w{number}", scale=0, customer_id=f"c{number % 5}") for number in range(20)
    ))  # fmt: skip
    settle(engine, *(job("wallets.create", wallet_id=f"idle{number}", customer_id="idle") for number in range(2_000)))
    execute(
        engine,
        "insert into dead_letters (id, digest, status, reason, error, producer, idempotency_key, headers, properties,"
        " body, attempts, first_seen, last_seen) select gen_random_uuid(), sha256(n::text::bytea), 'parked', 'failed',"
        " 'e', 'p', 'k' || n, '{}', '{}', '', 1, now(), now() from generate_series(1, 5000) as n",
    )
    many_entries(engine, "w%", COUNT)
    return engine


def plans(connection: Connection, ask: Any) -> Iterator[dict[str, Any]]:
    """Every step of the plans by which the statements are answered that `ask` sends, as they were run."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    ask()
    event.remove(connection, "before_cursor_execute", note)
    assert sent
    for statement, parameters in sent:
        connection.exec_driver_sql("set local cursor_tuple_fraction = 0.1")
        found = connection.exec_driver_sql(f"explain (analyze, format json) {statement}", parameters).scalar_one()
        yield from _steps((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])


def _steps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _steps(child)


def looked_at(steps: list[dict[str, Any]], table: str) -> int:
    """Rows of a table that were read, kept or not."""
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(
        int((step["Actual Rows"] + sum(step.get(name, 0) for name in removed)) * step["Actual Loops"])
        for step in steps
        if step.get("Relation Name") == table
    )


def test_where_an_account_stood_is_a_look_at_a_dozen_entries(large: Engine) -> None:
    with snapshot(large) as connection:
        found = account(connection, AccountKey(Kind.WALLET, "w3"))
        assert found is not None
        at = EPOCH + timedelta(seconds=1_234)
        steps = [*plans(connection, lambda: stood(connection, found.id, at))]
        assert stood(connection, found.id, at).seq == 1_233
    assert 0 < looked_at(steps, "entries") <= 14  # twice two to the twelfth is more than there are
    assert not [step for step in steps if step["Node Type"] == "Seq Scan"]


def test_a_statement_reads_its_period_alone_and_a_long_one_sorts_nothing(large: Engine) -> None:
    with snapshot(large) as connection:
        found = account(connection, AccountKey(Kind.WALLET, "w3"))
        assert found is not None
        of = period(connection, found.id, EPOCH + timedelta(seconds=100), EPOCH + timedelta(seconds=150))
        steps = [*plans(connection, lambda: [*stated(connection, found.id, of)])]
        of = period(connection, found.id, EPOCH, EPOCH + timedelta(days=1))
        ids = {"account_id": found.id, "opening": of.opening.seq, "closing": of.closing.seq}
        declared = text(f"explain declare long no scroll cursor for {_PERIOD.text}")
        plan = "\n".join(connection.execute(declared, ids).scalars())
    assert looked_at(steps, "entries") == 50
    assert "Sort" not in plan
    assert "Index Scan using pk_entries" in plan


def test_a_report_adds_up_its_period_alone(large: Engine) -> None:
    with snapshot(large) as connection:
        times = (EPOCH + timedelta(seconds=100), EPOCH + timedelta(seconds=150))
        steps = [*plans(connection, lambda: [*report(connection, *times)])]
        rows = [*report(connection, *times)]
    touched = [row for row in rows if row.entries]
    assert {(row.opening, row.credits, row.entries, row.closing) for row in touched} == {(99, 50, 50, 149)}
    assert len(touched) == 20
    assert not [step for step in steps if step["Node Type"] == "Seq Scan" and step["Relation Name"] == "entries"]
    assert looked_at(steps, "entries") <= 20 * (50 + 2 * 14 + 2)
    # Of accounts of which all is before or after, not one entry but the last is looked at.
    assert not [step for step in steps if step["Node Type"] == "Sort" and step["Actual Rows"] > 2_020]


def test_wallets_of_a_customer_come_through_their_index(large: Engine) -> None:
    with snapshot(large) as connection:
        steps = [*plans(connection, lambda: accounts_of_customer(connection, "idle", 10))]
        after = AccountKey(Kind.WALLET, "idle1500")
        steps += plans(connection, lambda: accounts_of_customer(connection, "idle", 10, after))
    assert "ix_wallets_customer" in {step.get("Index Name") for step in steps}
    assert looked_at(steps, "wallets") <= 2 * 2 * 11  # it is read again with the profile


def test_keys_are_found_through_the_index_of_keys(large: Engine) -> None:
    keys = [f"w{number} {number}" for number in range(1, 11)]
    with snapshot(large) as connection:
        steps = [*plans(connection, lambda: settled_keys(connection, "p", keys))]
        steps += plans(connection, lambda: jobs(connection, JobFilter(key=keys[0]), 10))
        assert len(settled_keys(connection, "p", keys)) == 10
    assert "uq_jobs_producer_idempotency_key" in {step.get("Index Name") for step in steps}
    assert looked_at(steps, "jobs") <= 30
    assert looked_at(steps, "entries") <= 20


def test_dead_letters_are_found_by_their_key(large: Engine) -> None:
    with snapshot(large) as connection:
        steps = [*plans(connection, lambda: letters_under(connection, None, "k77", 10))]
    assert "ix_dead_letters_key" in {step.get("Index Name") for step in steps}
    assert looked_at(steps, "dead_letters") <= 2


def test_memory_does_not_grow_with_the_number_of_entries(engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="w", scale=0)
    many_entries(engine, "w", 20_000)

    def peak(until: int) -> int:
        with snapshot(engine) as connection:
            found = account(connection, AccountKey(Kind.WALLET, "w"))
            assert found is not None
            of = period(connection, found.id, EPOCH, EPOCH + timedelta(seconds=until))
            tracemalloc.start()
            try:
                assert sum(1 for _ in stated(connection, found.id, of)) == until - 1
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    with snapshot(engine) as connection:
        found = account(connection, AccountKey(Kind.WALLET, "w"))
        assert found is not None
        of = period(connection, found.id, EPOCH, EPOCH + timedelta(days=1))
        rows = stated(connection, found.id, of)
        assert next(rows).entry.seq == 1
        # The server keeps what was not asked for yet: what libpq would keep instead is not seen by tracemalloc.
        assert connection.scalar(text("select count(*) from pg_cursors where is_holdable is false")) == 1
        rows.close()  # type: ignore[attr-defined]  # a generator
    peak(2_500)  # what is compiled once
    assert peak(20_001) < 1.5 * peak(4_001)
