"""The bound beside our worker: it writes the same rows or is not measured, and says what it cannot write."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import text

from benchmarks.bench import BOUND_1, Bench
from benchmarks.bound.same_rows import compare
from benchmarks.bound.system import Bound
from benchmarks.contender import Contender, Incoherent
from benchmarks.drain import drain
from benchmarks.movement import movements
from benchmarks.servers import Servers, engine_of
from benchmarks.sizes import QUICK
from benchmarks.workers import WorkerFailed

ROOT = Path(__file__).parents[2]
NO_RABBITMQ = "amqp://127.0.0.1:1//"
RATIOS = {"redis_1_vs_bound_1", "redis_2_vs_bound_2", "hot_1_vs_hot_bound_1", "cpu_vs_bound", "redis_2_vs_fastest_peer"}


class Broken(Bound):
    """`damage` is done to the program before it runs."""

    def __init__(self, damage: str) -> None:
        super().__init__(1)
        self.damage = damage

    def commands(self, processes: int, *, events: bool, queue: str) -> list[list[str]]:
        run = "import runpy; runpy.run_module('benchmarks.bound', run_name='__main__')"
        return [[sys.executable, "-c", f"{self.damage}; {run}", "0"]]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    sizes = replace(QUICK, accounts=50)
    with Servers(None, NO_RABBITMQ) as servers, Bench(servers, sizes, Console(file=StringIO())) as bench:
        yield bench


def test_the_bound_writes_our_rows_and_the_ledger_is_sound(bench: Bench) -> None:
    compare(bench)
    jobs = movements("wallets", 450, bench.sizes.accounts, bench.run_name())
    again = [*jobs[:3], *jobs[:2], *jobs[3:], *jobs[:250]]  # in one batch, in another, and a whole batch of nothing new
    with bench.database(BOUND_1.system) as url:
        drained = drain(bench, BOUND_1, url, again)
    assert (bench.figures.checks, bench.figures.entries_checked) == (1, 450)
    assert drained.rate > 0
    assert drained.usage.wal_bytes > 100
    assert min(drained.usage.worker_us, drained.usage.postgresql_us) > 0


def test_a_wrong_row_is_named(bench: Bench) -> None:
    damage = "from benchmarks.bound import batch; batch.LANES = 7; batch.FREE_REASONS = {'PURCHASED_CREDIT_DIRECT'}"
    with pytest.raises(Incoherent) as failure:
        compare(bench, Contender("bound_1", Broken(damage), "redis", 1))
    said = str(failure.value)
    assert "jobs.outcome.entry.origin: 'purchased' by ours, 'free' by the bound" in said
    assert "outbox.lane: " in said
    assert len(said.splitlines()) == 3, said


def test_a_wrong_hash_is_found_after_the_drain(bench: Bench) -> None:
    damage = "from benchmarks.bound import chain; chain._FORM = 1"
    messages = movements("wallets", 10, 5, bench.run_name())
    wrong = Contender("bound_1", Broken(damage), "redis", 1)
    with bench.database(wrong.system) as url, pytest.raises(Incoherent, match=r"findings, the first: .*hash"):
        drain(bench, wrong, url, messages)


def test_a_column_that_it_does_not_know_is_named(bench: Bench) -> None:
    with bench.database(BOUND_1.system) as url:
        with engine_of(url) as engine, engine.begin() as connection:
            connection.execute(text("alter table outbox add column weather text not null default 'fine'"))
            connection.execute(text("alter table outbox alter column weather drop default"))
        with pytest.raises(WorkerFailed, match=r"outbox has columns that the bound does not fill: weather"):
            drain(bench, BOUND_1, url, movements("wallets", 1, 1, bench.run_name()))


@pytest.mark.slow
def test_a_quick_run_measures_all_of_the_part(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "benchmarks", "--only", "bound", "--quick", "--output", str(tmp_path)]
    subprocess.run(line, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    found = json.loads((tmp_path / "latest.json").read_text())
    assert {*found["ratios"]} == RATIOS
    assert all(ratio > 0 for ratio in found["ratios"].values())
    measured = {"redis_1", "redis_2", "bound_1", "bound_2", "peer", "hot_redis_1", "hot_bound_1"}
    assert {*found["figures"]["bound"]} == {*found["figures"]["wal_bytes_per_job"]} == measured
    parts = {f"{name}{part}" for name in measured for part in ("", "_worker", "_postgresql", "_broker")}
    assert {*found["figures"]["cpu_us_per_job"]} == parts
    assert found["checks"] == {"ledgers": 7, "entries": 7 * QUICK.bound_jobs}
