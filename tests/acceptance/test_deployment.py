"""docs/deployment.md is true: its grants make the ledger append-only for the workers' role, and cover every table."""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from kombu import Connection
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.exc import ProgrammingError

from balance_client import BalanceClient
from models.domain.deciding.decision import Limits
from models.domain.retry import RetryPolicy
from models.store.connection.session import make_engine
from tasks.apply.retries import RetryingApplier
from tasks.auto_topup import scan as autotopup
from tasks.scheduled import expiry
from tasks.scheduled import prune as housekeeping
from tests.acceptance.compose import Local
from tests.acceptance.system import wait_until
from tests.support.roles import ROLE, sql_block


def scalar(url: str, query: str) -> Any:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.scalar(text(query))
    finally:
        engine.dispose()


def publish_a_job_without_a_key(broker_url: str) -> None:
    headers = {"task": "users.update_balance", "id": "00000000-0000-4000-8000-000000000000", "lang": "py"}
    with Connection(broker_url) as connection, connection.Producer() as producer:
        producer.publish([[], {}, {}], exchange="", routing_key="balance", headers=headers, serializer="json")


@pytest.fixture
def worker_database_url(database_url: str) -> Iterator[str]:
    """The database through the page's role, which has no other privileges than the page's."""
    password = uuid.uuid4().hex
    engine = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(sql_block()))
        connection.execute(text(f"alter role {ROLE} password '{password}'"))
        yield make_url(database_url).set(username=ROLE, password=password).render_as_string(hide_password=False)
        connection.execute(text(f"drop owned by {ROLE}"))
        connection.execute(text(f"drop role {ROLE}"))
    engine.dispose()


@contextmanager
def granted(url: str) -> Iterator[sqlalchemy.Connection]:
    """A connection of the owner, after the page's statements; the role is rolled back with the rest."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(text(sql_block()))
            yield connection
    finally:
        engine.dispose()


def test_grants_cover_every_table(database_url: str) -> None:
    with granted(database_url) as connection:
        # Days of bodies are reached through the whole table alone.
        for table in (name for name in inspect(connection).get_table_names() if not name.startswith("job_bodies_")):
            allowed = text("select has_table_privilege(:role, :table, 'select')")
            assert connection.scalar(allowed, {"role": ROLE, "table": table}), f"grant {table} in docs/deployment.md"


@pytest.mark.parametrize(
    "statement",
    ["update entries set amount = 0", "delete from entries", "truncate entries", "drop table entries"],
)
def test_role_of_the_workers_cannot_rewrite_the_ledger(database_url: str, statement: str) -> None:
    with granted(database_url) as connection:
        connection.execute(text(f"set role {ROLE}"))
        connection.execute(text("select count(*) from entries"))
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
            connection.execute(text(statement))


def test_these_privileges_are_enough_to_work(
    worker_database_url: str, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    local = Local("worker", tmp_path, {"postgres": worker_database_url, "redis": redis_url})
    with local.running() as process, BalanceClient(redis_url) as client:
        local.wait_until_healthy(process)
        jobs = [
            client.users_upsert(idempotency_key="user", user_id=1),
            client.users_update_balance(idempotency_key="pay", user_id=1, amount_kopeks=500),
            client.apps_upsert(idempotency_key="app", app_id="a", store_id="s"),
            client.apps_update_balance(idempotency_key="set", app_id="a", store_id="s", balance=7),
            client.wallets_create(idempotency_key="wallet", wallet_id="w"),
            client.wallets_top_up(
                idempotency_key="grant",
                wallet_id="w",
                credits_to_add="2",
                transaction_reason="FREE_CREDIT_GRANT",
                expiry_date_utc="2100-01-01T00:00:00Z",
            ),
            client.wallets_debit(idempotency_key="use", wallet_id="w", credits="1"),
            client.wallets_hold(idempotency_key="hold", wallet_id="w", credits="0.5"),
        ]
        assert [job.get(timeout_s=30).status for job in jobs] == ["applied"] * len(jobs)
        for _ in range(2):  # the second one is counted on the row of the first
            publish_a_job_without_a_key(redis_url)
        wait_until(
            "the dead letter", condition=lambda: scalar(database_url, "select max(attempts) from dead_letters") == 2
        )
        local.stop(process)


def test_these_privileges_are_enough_for_the_scheduled_sweeps(worker_database_url: str) -> None:
    engine = make_engine(worker_database_url)
    policy = RetryPolicy(base_s=0.01, cap_s=0.01, limit=1)
    applier = RetryingApplier(
        engine, Limits(max_amount_kopeks=100), policy, wait=lambda _seconds: None, random=random.random
    )
    assert autotopup.scan(applier, 10) == expiry.expire(applier, 10) == housekeeping.prune(applier, 1, 10) == 0
    engine.dispose()
