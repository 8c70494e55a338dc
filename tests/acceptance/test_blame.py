"""What is wrong with the deployment is charged to no job: nothing is parked, nothing is answered, and it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from models.store.schema import migrations as schema
from models.store.schema.migrations import upgrade
from tests.acceptance.system import System, wait_until
from tests.support.builders import execute
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.servers import servers
from worker.local.servers.embedded import EmbeddedPostgres

HEAD = schema.head()

JOBS = 12
_BROKEN = """
create function broken() returns trigger language plpgsql as $$
begin raise exception 'storage says no' using errcode = '{state}'; end $$;
create trigger broken before insert on entries for each row execute function broken();
"""


def publish(system: System, first: int = 0, count: int = JOBS) -> None:
    for number in range(first, first + count):
        arguments = {"idempotency_key": f"k{number}", "user_id": 1, "amount_kopeks": 1}
        system.client.send_task("users.update_balance", kwargs=arguments, queue=system.queue, ignore_result=True)


def applied(system: System, count: int = JOBS) -> None:
    """All of them, and nothing was parked or refused on the way."""
    wait_until("every job", lambda: system.count("entries") == count)
    assert system.count("dead_letters") == 0
    assert system.count("jobs", "status = 'rejected'") == 0
    assert_ledger_is_coherent(system.engine)


@pytest.fixture
def unmigrated(
    request: pytest.FixtureRequest, redis_url: str, postgres: EmbeddedPostgres, unique_queue: str, tmp_path: Path
) -> Iterator[System]:
    name = f"t_{unique_queue.replace('.', '_').replace('-', '_')}"
    url = servers.create_database(postgres.url, name)
    engine = create_engine(url)
    system = System(redis_url, url, engine, unique_queue, tmp_path)
    yield system
    system.stop()
    engine.dispose()
    servers.drop_database(postgres.url, name)


def test_a_worker_whose_tables_are_not_those_it_needs_holds_everything_and_says_what_to_do(
    unmigrated: System, postgres: EmbeddedPostgres
) -> None:
    """Before the migration, at a newer revision, with a table lost under it, with the database made anew under it."""
    system = unmigrated
    url = system.environment["BALANCE_DATABASE_URL"]
    system.money_worker()
    wait_until("it to say so before there is a job", lambda: "worker.not_ready" in system.log("money"))

    def mended(needed: str, remedy: str, mend: Callable[[], object], before: int = 0) -> None:
        arguments = {"idempotency_key": "u", "user_id": 1}
        system.client.send_task("users.upsert", kwargs=arguments, queue=system.queue, ignore_result=True)
        publish(system, before)
        wait_until("the worker to say so", lambda: needed in system.log("money").rpartition("jobs.held")[2])
        assert remedy in system.log("money").rpartition("jobs.held")[2]
        mend()
        applied(system, before + JOBS)

    migrate = partial(upgrade, url)
    mended(f"revision {HEAD} is needed, none is there", "balance-worker migrate", migrate)
    renamed = partial(execute, system.engine, "alter table gone rename to jobs")
    execute(system.engine, "alter table jobs rename to gone")
    mended(f"revision {HEAD} is there, but not jobs", "backup", renamed, JOBS)
    name = make_url(url).database or ""
    servers.drop_database(postgres.url, name)
    servers.create_database(postgres.url, name)
    system.engine.dispose()
    mended(f"revision {HEAD} is needed, none is there", "balance-worker migrate", migrate)


@pytest.mark.parametrize("state", ["P0001", "XX000", "55000", "42501", "26000"])
def test_what_all_jobs_fail_by_is_not_charged_to_them(any_system: System, state: str) -> None:
    system = any_system
    system.money_worker(BALANCE_RETRY_LIMIT="2", BALANCE_RETRY_CAP_S="0.2")
    system.ask("users.upsert", idempotency_key="u", user_id=1)
    with system.engine.begin() as connection:
        connection.execute(text(_BROKEN.format(state=state)))
    publish(system, count=1)  # alone: nobody can tell yet whose fault it is
    wait_until(
        "the job to be held", lambda: "jobs.undecided" in system.log("money") or "jobs.held" in system.log("money")
    )
    publish(system, first=1, count=JOBS - 1)
    log = system.log("money")
    assert log.count("jobs.undecided") + log.count("jobs.held") <= 2, "it is said once a minute"
    with system.engine.begin() as connection:
        connection.execute(text("drop trigger broken on entries"))
    applied(system)


def test_a_database_that_became_read_only_is_left_for_the_one_that_the_name_leads_to(system: System) -> None:
    system.money_worker(BALANCE_POOL_SIZE="2")
    system.ask("users.upsert", idempotency_key="u", user_id=1)
    database = make_url(system.environment["BALANCE_DATABASE_URL"]).database
    with system.engine.begin() as connection:
        connection.execute(text(f'alter database "{database}" set default_transaction_read_only = on'))
        connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        )
    publish(system)
    wait_until("the worker to say so", lambda: "jobs.held" in system.log("money"))
    assert "primary" in system.log("money")
    with system.engine.connect() as connection:
        connection.execute(text("set transaction read write"))
        connection.execute(text(f'alter database "{database}" reset default_transaction_read_only'))
        connection.commit()
    applied(system)
