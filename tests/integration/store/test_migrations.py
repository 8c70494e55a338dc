"""Migrations: up, down and up again with data in between; and they make exactly what the models say."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, make_url

from models.store.audit.ledger import audit
from models.store.schema import migrations as schema
from models.tables import accounts, anchors, dead_letters, jobs, ledger, outbox, records, sharding, top_ups, webhooks
from models.tables.base import Base
from tests.integration.store.on_their_way import fill_events
from tests.support.builders import balance, done, execute, let_expire, rows, sweep
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.servers import servers
from worker.local.servers.embedded import EmbeddedPostgres

ROOT = Path(__file__).parents[3]
TABLES = {
    table.__tablename__
    for table in (
        accounts.Account,
        accounts.User,
        accounts.Wallet,
        accounts.App,
        jobs.Job,
        jobs.JobBody,
        dead_letters.DeadLetter,
        ledger.Entry,
        ledger.Grant,
        ledger.Hold,
        outbox.OutboxEvent,
        outbox.OutboxLane,
        outbox.StreamEvent,
        webhooks.Endpoint,
        webhooks.DeliveryQueue,
        webhooks.Delivery,
        records.Journal,
        records.Record,
        anchors.Anchor,
        top_ups.Policy,
        top_ups.Charge,
        top_ups.Switch,
        sharding.Key,
        sharding.TelegramId,
        sharding.TelegramTerm,
    )
}


def is_day(table: str) -> bool:
    """Whether it is a partition, of which the models know nothing."""
    return table.startswith("job_bodies_")


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or not is_day(name or "")


COMPARED: Any = {"compare_type": True, "compare_server_default": True, "include_name": is_ours}


@contextmanager
def connected(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def fill(engine: Engine) -> None:
    """Something in every table."""
    done(engine, "users.upsert", user_id=1)
    done(engine, "users.update_balance", user_id=1, amount_kopeks=100)
    done(engine, "wallets.create", wallet_id="w")
    done(engine, "wallets.top_up", wallet_id="w", credits_to_add=5, priority=1, transaction_reason="INVOICE_REFUND")
    done(engine, "wallets.hold", wallet_id="w", credits=2)
    done(engine, "apps.upsert", app_id="a", store_id=1)
    execute(
        engine,
        "insert into dead_letters (id, digest, status, reason, error, headers, properties, body, attempts, first_seen,"
        " last_seen) values (gen_random_uuid(), sha256('d'), 'parked', 'r', 'e', '{}', '{}', 'b', 1, now(), now())",
    )
    done(engine, "auto_topup.set_policy", account="wallet:w", trigger="interval", interval="daily", amount=1)
    done(engine, "auto_topup.run_now", account="wallet:w")
    execute(engine, "insert into switches (name, is_on, set_at, set_by) values ('charging', true, now(), 'me')")
    done(engine, "accounts.set_alerts", account="user:1", thresholds=[100, "0.5"])
    fill_events(engine)
    execute(engine, "insert into anchors (sequence, hash, until) values (1, sha256('l'), 1)")
    execute(engine, "insert into keys (producer, key, bucket) values ('p', 'k', 1)")
    execute(engine, "insert into telegram_ids (telegram_id, bucket, term) values (1, 1, 1)")
    execute(engine, "insert into telegram_terms (telegram_id, term) values (1, 1)")
    assert {table: len(rows(engine, f"select 1 from {table}")) > 0 for table in TABLES} == dict.fromkeys(TABLES, True)


def test_up_down_and_up_again_with_data(empty_database_url: str) -> None:
    with connected(empty_database_url) as engine:
        for _ in range(2):
            schema.upgrade(empty_database_url)
            assert {name for name in inspect(engine).get_table_names() if not is_day(name)} == {
                *TABLES,
                "alembic_version",
            }
            fill(engine)
            assert_ledger_is_coherent(engine)
            schema.downgrade(empty_database_url, "base")
            assert inspect(engine).get_table_names() == ["alembic_version"]
            assert rows(engine, "select sequencename from pg_sequences where schemaname = 'public'") == []
        schema.upgrade(empty_database_url)
        assert audit(engine).accounts == 0


def test_what_credits_mean_is_made_from_the_ledger_that_is_there(empty_database_url: str) -> None:
    kept = "select id, remaining, held, reversed, expired, voided, pending from grants order by id"
    schema.upgrade(empty_database_url)
    with connected(empty_database_url) as engine:
        policy = {"auto_topup_min_balance": 10, "auto_topup_amount": 5}
        done(engine, "wallets.create", wallet_id="w", scale=0, auto_topup_trigger="balance_below_threshold", **policy)
        common = {"wallet_id": "w", "credits_to_add": 5, "transaction_reason": "INVOICE_REFUND"}
        done(engine, "wallets.top_up", **common)
        taken_back, over, _ = (
            str(done(engine, "wallets.top_up", expiry_date_utc="2999-01-01", **common)["job_id"]) for _ in range(3)
        )
        done(engine, "wallets.debit", wallet_id="w", credits=1)
        done(engine, "entries.reverse", job_id=taken_back, force=True)
        let_expire(engine, over)
        sweep(engine)
        done(engine, "apps.upsert", app_id="a", store_id=1)
        done(engine, "apps.update_balance", app_id="a", store_id=1, balance=5, occurred_at="2020-01-01T00:00:00Z")
        before = rows(engine, kept), rows(engine, "select ref, granted from accounts order by id")
        assert before[0] != []
        schema.downgrade(empty_database_url, "0001")
        execute(engine, "update accounts set set_at = '9999-12-31' where kind = 'app'")
        execute(engine, "update wallets set due_at = null")
        schema.upgrade(empty_database_url)
        assert (rows(engine, kept), rows(engine, "select ref, granted from accounts order by id")) == before
        assert_ledger_is_coherent(engine)
        assert rows(engine, "select due_at is not null as due from policies") == [{"due": True}], "it is below"
        freed = done(engine, "apps.update_balance", app_id="a", store_id=1, balance=6)
        assert freed["code"] == "applied", "a set from the far future supersedes nothing any more"


def test_up_again_changes_nothing(empty_database_url: str) -> None:
    schema.upgrade(empty_database_url)
    with connected(empty_database_url) as engine:
        fill(engine)
        schema.upgrade(empty_database_url)
        assert balance(engine, "user:1") == 100


def test_the_revision_is_told(empty_database_url: str) -> None:
    assert schema.current(empty_database_url) is None
    schema.upgrade(empty_database_url)
    assert schema.current(empty_database_url) == schema.head()
    schema.downgrade(empty_database_url, "base")
    assert schema.current(empty_database_url) is None


def test_from_many_places_at_once(empty_database_url: str) -> None:
    # Processes, as deployments are: alembic's own context is one for all threads.
    program = [
        sys.executable,
        "-c",
        "import sys; from models.store.schema.migrations import upgrade; upgrade(sys.argv[1])",
    ]
    started = [subprocess.Popen([*program, empty_database_url], cwd=ROOT) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4
    assert schema.current(empty_database_url) == schema.head()


def test_models_and_migrations_agree(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=COMPARED)
        assert compare_metadata(context, Base.metadata) == []


SHAPE = {
    "columns": """
        select table_name, column_name, data_type, is_nullable, column_default, is_identity
        from information_schema.columns where table_schema = 'public'
    """,
    "constraints": """
        select conrelid::regclass::text as of, conname, pg_get_constraintdef(oid) as says
        from pg_constraint where connamespace = 'public'::regnamespace
    """,
    "indexes": "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'",
}


@pytest.mark.parametrize("part", SHAPE)
def test_constraints_and_indexes_are_those_of_the_models_word_for_word(
    engine: Engine, empty_database_url: str, part: str
) -> None:
    # alembic compares no check constraints and no partial indexes; a database made by each way shows them.
    with connected(empty_database_url) as made:
        Base.metadata.create_all(made)
        assert shape(made, SHAPE[part]) == shape(engine, SHAPE[part])


def shape(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    found = (tuple(row.values()) for row in rows(engine, query))
    return sorted((row for row in found if row[0] != "alembic_version" and not is_day(row[0])), key=str)


def test_a_password_with_a_percent_sign_is_no_trouble(postgres: EmbeddedPostgres, empty_database_url: str) -> None:
    # alembic's configuration file would read %40 as its own; the URL does not go through it.
    role = f"role_{make_url(empty_database_url).database}"
    with connected(empty_database_url) as engine:
        execute(engine, f"create role {role} login password '100%sure@x'")
        execute(engine, f"grant all on schema public to {role}")
    own = make_url(empty_database_url).set(username=role, password="100%sure@x").render_as_string(hide_password=False)
    schema.upgrade(own)
    assert schema.current(own) == schema.head()
    database = make_url(empty_database_url).database
    assert database is not None
    servers.drop_database(postgres.url, database)
    with connected(postgres.url) as server:
        execute(server, f"drop role {role}")
