"""Faults around the worker: the database away, beats doubled, the broker restarted."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import create_engine, text

from balance_client import BalanceClient
from models.store.schema.migrations import upgrade
from tests.acceptance.system import System, replies, wait_until
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.servers import servers
from tests.support.servers.proxy import Fault, Proxy
from worker.local.servers.embedded import EmbeddedPostgres

TIMEOUT_S = 3  # after which the broker would give to others what a worker holds
OUTAGE_S = float(os.environ.get("BALANCE_TEST_OUTAGE_S", "6"))
JOBS = 400


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the test may stop, with full durability."""
    with servers.server_directory() as directory, EmbeddedPostgres(directory) as server:
        upgrade(server.url)
        yield server


def test_postgresql_stopped_for_longer_than_the_timeout_under_load_every_job_is_applied_once(
    own_postgres: EmbeddedPostgres, redis_url: str, tmp_path: Path
) -> None:
    engine = create_engine(own_postgres.url, pool_pre_ping=True)
    system = System(redis_url, own_postgres.url, engine, "balance", tmp_path)
    try:
        _survive_outage(system, own_postgres)
    finally:
        system.stop()
        engine.dispose()


def _survive_outage(system: System, postgres: EmbeddedPostgres) -> None:
    timeouts = {
        "BALANCE_VISIBILITY_TIMEOUT_S": str(TIMEOUT_S),
        "BALANCE_BROKER_SOCKET_TIMEOUT_S": "2",
        "BALANCE_LOCK_TIMEOUT_MS": "1500",
    }
    system.money_worker("money-1", **timeouts)
    system.money_worker("money-2", **timeouts)
    for number in range(4):
        system.ask("users.upsert", idempotency_key=f"u{number}", user_id=number + 1)
    stopped = threading.Event()

    def publish(number: int) -> None:
        # Half before and during the stop, the other half once the database is away.
        if number >= JOBS // 2:
            stopped.wait(60)
        key = f"job-{number // 2}"  # every job is sent twice
        arguments = {"idempotency_key": key, "user_id": number // 2 % 4 + 1, "amount_kopeks": 100}
        system.client.send_task("users.update_balance", kwargs=arguments, queue=system.queue, ignore_result=True)

    with ThreadPoolExecutor(4) as pool:
        published = pool.map(publish, range(JOBS))
        wait_until("some jobs to be applied", lambda: system.count("entries") > 10)
        postgres.stop()
        began = monotonic()
        stopped.set()
        assert len(list(published)) == JOBS
        wait_until("the workers to wait", lambda: "jobs.waiting" in system.log("money-1") + system.log("money-2"))
        pause = threading.Event()
        pause.wait(max(0.0, OUTAGE_S - (monotonic() - began)))
        postgres.start()
    wait_until("every job", lambda: system.count("jobs", "name = 'users.update_balance'") == JOBS // 2)
    assert system.rows("select balance from accounts order by id") == [(JOBS // 8 * 100,)] * 4
    assert all(process.poll() is None for process in system._processes), "no worker needed a hand"
    assert_ledger_is_coherent(system.engine)


def test_two_beats_and_two_io_workers_make_one_top_up_and_one_expiry(system: System) -> None:
    system.money_worker()
    for name in ("io-1", "io-2"):
        system.io_worker(name)
    for name in ("beat-1", "beat-2"):
        system.beat(name)
    policy = {"auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 10, "auto_topup_amount": 100}
    wallets = [f"w{number}" for number in range(5)]
    credit = {"transaction_reason": "INVOICE_PAYMENT", "credits_to_add": 20}
    for wallet in wallets:
        system.ask("wallets.create", idempotency_key=f"open-{wallet}", wallet_id=wallet, **policy)
        system.ask("wallets.top_up", idempotency_key=f"fill-{wallet}", wallet_id=wallet, **credit)
        soon = system.rows("select cast(clock_timestamp() + interval '2 seconds' as text)")[0][0].replace(" ", "T")
        expiring = {**credit, "credits_to_add": 3, "expiry_date_utc": f"{soon}:00"}
        system.ask("wallets.top_up", idempotency_key=f"gift-{wallet}", wallet_id=wallet, **expiring)
        system.ask("wallets.debit", idempotency_key=f"spend-{wallet}", wallet_id=wallet, credits=15)
    expected = "select count(*) from entries where kind = 'expiry'"
    wait_until("top-ups", lambda: system.count("jobs", _TOPPED_UP) == len(wallets))
    ticks = system.log("beat-1").count("autotopup.scan") + system.log("beat-2").count("autotopup.scan")
    wait_until("later ticks of both beats", lambda: _ticks(system) >= ticks + 8)
    assert system.count("entries", "reason = 'PURCHASED_CREDIT_INVOICED'") == len(wallets)
    assert system.rows(expected)[0][0] == system.count("jobs", "name = 'credits.expire_grant' and code = 'applied'")
    assert system.count("grants", "remaining > 0 and expires_at < clock_timestamp() - interval '5 seconds'") == 0


_TOPPED_UP = "name = 'autotopup.top_up' and code = 'applied'"


def _ticks(system: System) -> int:
    return sum(system.log(f"beat-{number}").count("autotopup.scan") for number in (1, 2))


def test_connections_terminated_under_load_cost_nothing(system: System) -> None:
    system.money_worker()
    system.ask("users.upsert", idempotency_key="u", user_id=1)
    for number in range(100):
        arguments = {"idempotency_key": f"k{number}", "user_id": 1, "amount_kopeks": 1}
        system.client.send_task("users.update_balance", kwargs=arguments, queue="balance", ignore_result=True)
        if number % 20 == 0:
            with system.engine.connect() as connection:
                connection.execute(
                    text(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where datname = current_database() and pid <> pg_backend_pid()"
                    )
                )
    wait_until("every job", lambda: system.count("entries") == 100)
    assert system.rows("select balance from accounts")[0][0] == 100


def test_a_worker_that_is_stopped_while_jobs_stream_in_ends_well(any_system: System) -> None:
    """What the broker still sends while the worker stops is settled, or goes back: it is no reason to fail."""
    jobs = 2_000
    arguments = [{"idempotency_key": f"k{number}", "user_id": 1, "amount_kopeks": 1} for number in range(jobs)]
    with BalanceClient(any_system.broker_url, queue=any_system.queue) as client:
        client.users_upsert(idempotency_key="u", user_id=1, want_result=False)
        client.submit_many([("users.update_balance", each) for each in arguments], want_result=False)
    worker = any_system.money_worker(BALANCE_BATCH_LIMIT="1")
    wait_until("some jobs to be applied", lambda: any_system.count("entries") > 20)
    worker.terminate()
    assert worker.wait(60) == 0, any_system.log("money")[-3000:]
    assert "Error on" not in any_system.log("money")
    assert any_system.count("entries") < jobs, "it was stopped in the middle"
    any_system.money_worker("next")
    wait_until("every job", lambda: any_system.count("entries") == jobs)


@pytest.mark.parametrize("during", ["nothing", "a heartbeat", "an answer to remote control"])
def test_a_worker_whose_link_to_the_broker_is_half_open_stops_all_the_same(either_system: System, during: str) -> None:
    """It waits for an answer a few times, not for ever: nobody has to kill it."""
    with Proxy(either_system.broker_url) as link:
        worker = either_system.money_worker(BALANCE_BROKER_URL=link.url, BALANCE_BROKER_SOCKET_TIMEOUT_S="1")
        if during == "a heartbeat":  # an event for Flower, every two seconds
            assert link.arm(Fault((b"celeryev",), "request", "hold")).struck.wait(30)
        elif during != "nothing":
            answer = link.arm(Fault((b"reply.celery.pidbox",), "request", "hold"))
            replies(either_system.client, "ping", destination=[f"money@{either_system.queue}"], timeout=0.1)
            assert answer.struck.wait(30)
        link.go_silent(for_all=True)
        assert either_system.end("money", worker, 60) == 0, either_system.log("money")[-3000:]


def test_a_worker_stops_while_there_is_no_broker(any_system: System) -> None:
    with Proxy(any_system.broker_url) as link:
        worker = any_system.money_worker(BALANCE_BROKER_URL=link.url)
        link.refuse()
        wait_until("it to have noticed", lambda: "broker.waiting" in any_system.log("money"))
        worker.terminate()
        assert worker.wait(60) == 0, any_system.log("money")[-3000:]
