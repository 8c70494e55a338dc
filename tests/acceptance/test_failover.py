"""Two PostgreSQL servers, and the standby takes over: workers are back within seconds, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from models.store.schema.migrations import upgrade
from tests.acceptance.system import System, wait_until
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.servers.postgres_pair import NAME, Standby, configure, pair, wait_for
from worker.local.servers.embedded import EmbeddedPostgres

JOBS = 30
BACK_S = 20  # a pause of BALANCE_RETRY_CAP_S and a connection, on a busy machine


@pytest.fixture
def servers() -> Iterator[tuple[EmbeddedPostgres, Standby]]:
    with pair() as (primary, standby):
        upgrade(primary.url)
        configure(primary, synchronous_standby_names=NAME)
        wait_for(standby, "select to_regclass('alembic_version') is not null")
        yield primary, standby


def publish(system: System, first: int) -> None:
    for number in range(first, first + JOBS):
        arguments = {"idempotency_key": f"k{number}", "user_id": 1, "amount_kopeks": 1}
        system.client.send_task("users.update_balance", kwargs=arguments, queue=system.queue, ignore_result=True)


def test_the_standby_takes_over(servers: tuple[EmbeddedPostgres, Standby], redis_url: str, tmp_path: Path) -> None:
    """One worker names both servers, the standby first. Another was led to the standby, and keeps that connection."""
    primary, standby = servers
    url = make_url(primary.url)
    both = f"postgresql://{url.username}:{url.password}@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/balance"
    engine = create_engine(standby.url)
    system = System(redis_url, both, engine, "balance", tmp_path)
    system.environment["BALANCE_BATCH_LIMIT"] = "5"  # so that both get some
    try:
        system.money_worker("both")
        system.ask("users.upsert", idempotency_key="u", user_id=1)
        system.money_worker("led astray", BALANCE_DATABASE_URL=standby.url)
        publish(system, 0)
        wait_until("it to say so", lambda: "let BALANCE_DATABASE_URL name the primary" in system.log("led astray"))
        wait_until("some jobs on the standby, from the primary", lambda: system.count("entries"))
        primary.stop()
        standby.promote()
        publish(system, JOBS)
        wait_until("every job", lambda: system.count("entries") == 2 * JOBS, BACK_S)
        for worker in ("both", "led astray"):
            over = system.log(worker).rpartition("jobs.held" if worker == "led astray" else "jobs.waiting")
            assert "jobs.settled" in over[2], "it goes on by itself"
        assert system.count("dead_letters") == 0
        assert_ledger_is_coherent(engine)
    finally:
        system.stop()
        engine.dispose()
