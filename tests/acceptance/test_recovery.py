"""How soon the jobs of a worker that is gone are applied, and that those of a living one stay with it."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import pytest
import redis
from sqlalchemy import text

from tests.acceptance.system import System, wait_until
from tests.support.builders import done
from worker.settings.settings import Settings

TOP_UP = {"wallet_id": "w", "transaction_reason": "INVOICE_PAYMENT", "credits_to_add": "25.5"}
# What the settings promise on Redis: the timeout, until the next search (a sixth of it), and to apply.
PROMISED_S = Settings().visibility_timeout_s * 7 / 6 + 5
# Short, where a test waits for several timeouts.
TIMEOUT_S = 4
SHORT = {"BALANCE_VISIBILITY_TIMEOUT_S": str(TIMEOUT_S), "BALANCE_BROKER_SOCKET_TIMEOUT_S": "2"}
LOCKED = {**SHORT, "BALANCE_LOCK_TIMEOUT_MS": "250", "BALANCE_LOG_FORMAT": "json"}


@pytest.fixture
def opened(any_system: System) -> System:
    """A system with a wallet and no worker."""
    done(any_system.engine, "wallets.create", idempotency_key="open", wallet_id="w")
    return any_system


@contextmanager
def _locked_account(system: System) -> Iterator[None]:
    with system.engine.connect() as holder:
        holder.execute(text("select 1 from accounts for update"))
        yield


def _in_a_transaction(system: System) -> Callable[[], object]:
    query = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    return lambda: system.rows(query)


def _unsettled(system: System) -> tuple[int, int]:
    """How many messages a Redis broker has: waiting, and taken."""
    with redis.Redis.from_url(system.broker_url) as server:
        return int(server.llen(system.queue)), int(server.hlen("unacked"))


def _replayed(system: System, worker: str) -> int:
    return sum(map(int, re.findall(r'"replayed": (\d+)', system.log(worker))))


def test_the_jobs_of_a_killed_worker_are_applied_within_seconds(
    opened: System, record_property: Callable[[str, object], None]
) -> None:
    """With the default settings."""
    victim = opened.money_worker("victim")
    with _locked_account(opened):
        sent = opened.send("wallets.top_up", idempotency_key="k", **TOP_UP)
        wait_until("the worker to be inside the transaction", _in_a_transaction(opened))
        opened.money_worker("other")
        victim.kill()
        victim.wait()
    killed = monotonic()
    assert sent.get()["code"] == "applied"
    recovered_s = round(monotonic() - killed, 1)
    record_property("recovered_s", recovered_s)
    assert recovered_s < (PROMISED_S if opened.broker_url.startswith("redis") else 5)
    assert opened.ask("wallets.top_up", idempotency_key="k", **TOP_UP)["replayed"] is True
    assert opened.count("entries") == 1


def test_a_fault_longer_than_the_timeout_gives_the_jobs_to_nobody_else(system: System) -> None:
    system.money_worker("holder", **LOCKED)
    system.ask("wallets.create", idempotency_key="open", wallet_id="w")
    with _locked_account(system):
        began = monotonic()
        results = [system.send("wallets.top_up", idempotency_key=f"k{number}", **TOP_UP) for number in range(3)]
        wait_until("the worker to wait", lambda: "jobs.waiting" in system.log("holder"))
        system.money_worker("other", **LOCKED)
        wait_until("three timeouts to pass", lambda: monotonic() - began > 3 * TIMEOUT_S)
    assert [result.get()["replayed"] for result in results] == [False] * 3
    assert "jobs." not in system.log("other")
    # A job that had been given to anybody would have come again, and been answered as a repetition.
    wait_until("all to be acknowledged", lambda: _unsettled(system) == (0, 0))
    assert _replayed(system, "holder") == 0
    assert "messages.given_away" not in system.log("holder")


def test_a_worker_paused_past_the_timeout_spoils_nothing_when_it_wakes(system: System) -> None:
    paused = system.money_worker("paused", **LOCKED)
    system.ask("wallets.create", idempotency_key="open", wallet_id="w")
    with _locked_account(system):
        results = [system.send("wallets.top_up", idempotency_key=f"k{number}", **TOP_UP) for number in range(3)]
        wait_until("the worker to wait", lambda: "jobs.waiting" in system.log("paused"))
        wait_until("it to hold all", lambda: _unsettled(system) == (0, 3))
        paused.send_signal(signal.SIGSTOP)
        # A transaction of the paused worker's that waits for the lock ends by its timeout, in the server.
        system.money_worker("other", **LOCKED)
        wait_until("the other to have them", lambda: "jobs.waiting" in system.log("other"))
        assert "messages.restored" in system.log("other")
    assert [result.get()["replayed"] for result in results] == [False] * 3
    paused.send_signal(signal.SIGCONT)
    wait_until("it to go on", lambda: _replayed(system, "paused") == 3)
    wait_until("all to be acknowledged", lambda: _unsettled(system) == (0, 0))
    assert system.count("entries") == 3
    # Its late acknowledgements took nobody's message, and it works on.
    again = [system.send("wallets.top_up", idempotency_key=f"n{number}", **TOP_UP) for number in range(4)]
    assert [result.get()["code"] for result in again] == ["applied"] * 4
    assert system.count("entries") == 7
