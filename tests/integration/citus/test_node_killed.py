"""A node that dies under load: what was answered stays, what was not is done once when it is back."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.domain.deciding.commands import Job
from models.domain.errors import Fault
from tasks.apply.path import apply_uncontended
from tests.integration.citus.test_shards import ledger_at
from tests.integration.store.racing import engine_of_its_own
from tests.support.builders import LIMITS, balance, done, job, rows
from tests.support.servers import citus
from tests.support.servers.citus import shard

THREADS, BATCHES, SIZE, USERS = 4, 30, 20, 7
DEADLINE_S = 120.0
RESTART = os.environ.get("BALANCE_TEST_CITUS_RESTART")


class Load:
    """Threads that apply until all is answered, whatever fails; `under_way` when a quarter of it is."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answered = 0
        self.faults: list[Fault] = []
        self.under_way = threading.Event()
        self._lock = threading.Lock()

    def run(self, thread: int) -> None:
        with engine_of_its_own(self.url) as engine:
            for number in range(BATCHES):
                left: Sequence[Job] = [
                    job("users.update_balance", idempotency_key=f"{thread}-{number}-{n}", user_id=1 + n % USERS,
                        amount_kopeks=1) for n in range(SIZE)
                ]  # fmt: skip
                while left:
                    try:
                        outcomes = apply_uncontended(engine, left, LIMITS)
                    except Fault as fault:
                        self.faults.append(fault)
                        continue
                    left = [one for one, outcome in zip(left, outcomes, strict=True) if outcome is None]
                    self._note(sum(outcome is not None for outcome in outcomes))

    def _note(self, answered: int) -> None:
        with self._lock:
            self.answered += answered
            if self.answered >= THREADS * BATCHES * SIZE // 4:
                self.under_way.set()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["node", "coordinator"])
def test_a_node_that_is_killed_under_load_loses_and_doubles_nothing(coordinator: str, way: str) -> None:
    """`BALANCE_TEST_CITUS_RESTART`: a command that kills the server at {port}, and starts it again."""
    if RESTART is None:
        pytest.skip("nobody says how to kill a node (BALANCE_TEST_CITUS_RESTART)")
    with shard(coordinator) as made:
        with ledger_at(made.node) as engine:
            for number in range(USERS):
                done(engine, "users.upsert", user_id=1 + number)
        _, port = citus.node_of(coordinator, made.schema)
        load = Load(made.node if way == "node" else made.coordinator)
        with ThreadPoolExecutor(THREADS) as pool:
            running = [pool.submit(load.run, thread) for thread in range(THREADS)]
            assert load.under_way.wait(DEADLINE_S)
            subprocess.run(RESTART.format(port=port), shell=True, check=True, timeout=DEADLINE_S)
            for thread in running:
                thread.result(DEADLINE_S)
        assert load.faults, "it was killed under load"
        assert load.answered == THREADS * BATCHES * SIZE
        with ledger_at(made.node) as engine:
            assert len(rows(engine, "select from entries")) == load.answered
            assert sum(balance(engine, f"user:{1 + n}") for n in range(USERS)) == load.answered
