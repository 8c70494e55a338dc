"""Ledgers from before there were records: they migrate, verify, go on, and what is changed in them is noticed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from models.store.audit.ledger import audit_in
from models.store.schema import migrations as schema
from tests.integration.store.filled import fill
from tests.support.builders import ask, done, execute, rows
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.resealed import execute_resealed


@pytest.fixture
def older(empty_database_url: str) -> Iterator[Engine]:
    """A full ledger as revision 0002 left it: no records, no job with its events, entries chained by what they say."""
    engine = create_engine(empty_database_url)
    schema.upgrade(engine)
    fill(engine)
    execute_resealed(engine, "update jobs set events = null")
    schema.downgrade(engine, "0002")
    execute(engine, "alter table jobs drop column events")
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def test_the_version_before_has_its_bodies_back_and_they_stay_readable(empty_database_url: str) -> None:
    """Going down moves them to the rows of their jobs; there they are found when it goes up again."""
    engine = create_engine(empty_database_url)
    schema.upgrade(engine)
    done(engine, "users.upsert", user_id=1, idempotency_key="k")
    done(engine, "users.update_balance", user_id=1, amount_kopeks=5, metadata={"a": "1"}, idempotency_key="paid")
    asked = "select id, cast(body as text) as body from jobs order by id"
    kept = rows(engine, "select job_id as id, cast(body as text) as body from job_bodies order by job_id")
    assert len(kept) == 2
    schema.downgrade(engine, "0009")
    assert rows(engine, asked) == kept, "to the letter: fingerprints stand for them"
    schema.upgrade(engine)
    assert rows(engine, asked) == kept
    assert_ledger_is_coherent(engine)
    conflict = ask(engine, "users.update_balance", user_id=1, amount_kopeks=6, idempotency_key="paid")
    assert conflict["error"]["body"]["detail"]["fields"] == {"amount_kopeks": {"first": 5, "now": 6}}
    engine.dispose()


@pytest.mark.tampered_ledger
def test_a_migration_that_has_to_wait_stands_in_nobodys_way(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)
    schema.upgrade(engine, "0008")
    with ThreadPoolExecutor(1) as pool:
        with engine.connect() as reading, engine.connect() as working:
            reading.execute(text("select 1 from entries"))
            migrating = pool.submit(schema.upgrade, engine, "0009")
            waited = "select 1 from pg_locks where mode = 'AccessExclusiveLock' and not granted"
            while not rows(engine, waited):
                assert not migrating.done(), "it waits for who reads"
            # Those who come meanwhile are let in before their own patience (five seconds) is over.
            working.execute(text("set lock_timeout = '5s'"))
            working.execute(text("lock table accounts, jobs, entries, outbox, records in row exclusive mode"))
            working.rollback()
        migrating.result(60)
    assert schema.current(engine) == "0009"
    engine.dispose()


CHANGED = {
    "a key": ("update jobs set idempotency_key = 'x' where code = 'insufficient_funds'", "jobs"),
    "an answer": ("update jobs set outcome = '{}' where code = 'user_not_found'", "jobs"),
    "a refused job": ("delete from jobs where code = 'user_not_found'", "jobs"),
    "a job's body": ("update jobs set body = null where code = 'user_not_found'", "job:"),
    "a floor": ("update accounts set floor = -5000 where ref = '1'", "user:1"),
    "a policy": ("update policies set amount = 5000 where due_at is not null", "wallet:auto"),
    "a grant's end": ("update grants set expires_at = '2998-01-01' where voided > 0", "grants"),
    "a grant's priority": ("update grants set priority = 2 where priority = 1", "grants"),
    "a hold's end": ("update holds set expires_at = expires_at + interval '1 day' where ended is null", "holds"),
    "a job said to be of now": ("update jobs set events = 1 where code = 'insufficient_funds'", "jobs"),
    "an account": ("update users set telegram_id = 78", "user:1"),
}


@pytest.mark.tampered_ledger
def test_an_older_ledger_verifies_goes_on_and_what_is_changed_in_it_is_named(older: Engine) -> None:
    assert_ledger_is_coherent(older)
    done(older, "users.update_balance", user_id=1, amount_kopeks=5)
    done(older, "wallets.update", wallet_id="auto", floor=-7)
    done(older, "wallets.top_up", wallet_id="w", credits_to_add=3, priority=3, transaction_reason="INVOICE_REFUND")
    assert_ledger_is_coherent(older)
    missed = []
    for what, (statement, named) in CHANGED.items():
        with older.connect() as connection:
            connection.exec_driver_sql("set local session_replication_role = replica")
            assert connection.exec_driver_sql(statement).rowcount > 0, what
            findings = audit_in(connection).findings
        if not any(finding.account.startswith(named) for finding in findings):
            missed.append((what, findings))
    assert missed == []


def test_what_an_older_version_cannot_do_as_it_was_agreed_is_off_there_and_comes_back(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)
    schema.upgrade(engine)
    fill(engine)  # users with policies, and charges in every state
    level: dict[str, Any] = {"trigger": "balance_below_threshold", "threshold": 10, "amount": 5}
    beyond: dict[str, dict[str, Any]] = {
        "capped": {"monthly_cap": 5},
        "slow": {"cooldown_s": 86_400},
        "asked": {"provider": "http"},
        "plain": {},
    }
    for name, terms in beyond.items():
        done(engine, "wallets.create", wallet_id=name)
        done(engine, "auto_topup.set_policy", account=f"wallet:{name}", **level, **terms)
    # What was told last is forgotten: it is told once more.
    execute(engine, "update policies set dropped = false")
    kept = [f"select * from {table} order by 1" for table in ("policies", "charges")]
    before = [rows(engine, query) for query in kept]
    schema.downgrade(engine, "0004")
    due = rows(
        engine,
        "select ref from wallets join accounts on id = account_id where trigger <> 'disabled' or due_at is not null",
    )
    assert {row["ref"] for row in due} == {"auto", "calm", "plain"}
    schema.upgrade(engine)
    assert [rows(engine, query) for query in kept] == before
    assert_ledger_is_coherent(engine)
    engine.dispose()


def test_going_down_and_up_again_loses_no_proof(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)
    schema.upgrade(engine)
    fill(engine)
    before = rows(engine, "select account_id, seq, hash from entries order by 1, 2")
    for _ in range(2):
        schema.downgrade(engine, "0002")
        schema.upgrade(engine)
        assert_ledger_is_coherent(engine)
        done(engine, "users.update_balance", user_id=1, amount_kopeks=5)
    assert_ledger_is_coherent(engine)
    after = rows(engine, "select account_id, seq, hash from entries")
    assert all(entry in after for entry in before), "no hash is another one now"
    engine.dispose()
