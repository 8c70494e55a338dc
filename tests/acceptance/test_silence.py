"""A database that does not answer is told of within seconds, and nobody has to kill a worker that waits for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from sqlalchemy import make_url

from tests.acceptance.system import System, wait_until
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.servers.postgres_pair import configure, run
from tests.support.servers.proxy import Proxy
from worker.local.servers.embedded import EmbeddedPostgres

JOBS = 5
STOPS_S = 15  # three for what may still come, then what any stop takes


def standby_away(postgres: EmbeddedPostgres, system: System, after: ExitStack) -> tuple[str, Callable[[], None]]:
    database = make_url(system.environment["BALANCE_DATABASE_URL"]).database
    run(postgres, f'alter database "{database}" set synchronous_commit = on')
    after.callback(configure, postgres, synchronous_standby_names="")
    return "database.commit_waits", lambda: configure(postgres, synchronous_standby_names="nobody")


def network_gone(_: EmbeddedPostgres, system: System, after: ExitStack) -> tuple[str, Callable[[], None]]:
    """Or the server is frozen, which looks the same from here: connections are made, and nothing comes."""
    direct = system.environment["BALANCE_DATABASE_URL"]
    link = after.enter_context(Proxy(direct))
    after.callback(system.environment.update, BALANCE_DATABASE_URL=direct)
    system.environment["BALANCE_DATABASE_URL"] = link.url
    return "database.no_answer", lambda: link.go_silent(for_all=True)


@pytest.mark.parametrize("prepare", [standby_away, network_gone])
def test_silence_is_told_and_a_worker_told_to_stop_stops(
    postgres: EmbeddedPostgres,
    system: System,
    prepare: Callable[[EmbeddedPostgres, System, ExitStack], tuple[str, Callable[[], None]]],
) -> None:
    with ExitStack() as after:
        told, fall_silent = prepare(postgres, system, after)
        workers = {"money": system.money_worker(), "io": system.io_worker()}
        system.ask("users.upsert", idempotency_key="u", user_id=1)
        system.client.send_task("autotopup.scan", queue=f"{system.queue}.io", ignore_result=True)
        wait_until("the I/O worker to have looked", lambda: "succeeded" in system.log("io"))
        fall_silent()
        for number in range(JOBS):
            arguments = {"idempotency_key": f"k{number}", "user_id": 1, "amount_kopeks": 1}
            system.client.send_task("users.update_balance", kwargs=arguments, queue=system.queue, ignore_result=True)
        system.client.send_task("autotopup.scan", queue=f"{system.queue}.io", ignore_result=True)
        wait_until("the worker to say so", lambda: told in system.log("money"))
        for name, worker in workers.items():
            worker.terminate()
            assert worker.wait(STOPS_S) == 0, system.log(name)[-3000:]
        assert "jobs.settled" not in system.log("money").partition(told)[2], "nothing was acknowledged on the way"
    system.money_worker("next")
    wait_until("every job", lambda: system.count("entries") == JOBS)
    assert system.rows("select balance from accounts") == [(JOBS,)]
    assert_ledger_is_coherent(system.engine)
