"""Bounds: our worker beside the least program that writes the same rows, and beside the fastest peer.

All of them top up wallets, which is what the bound can do. What a job costs in processor time and in write-ahead log is
taken of the same drains.
"""

from __future__ import annotations

from typing import Final

from benchmarks.bench import BOUND_1, BOUND_2, PEER, REDIS_1, REDIS_2, Bench
from benchmarks.bound.same_rows import compare
from benchmarks.contender import Contender
from benchmarks.drain import Drained, drain
from benchmarks.movement import Workload, movements

_TURNS: Final[tuple[tuple[str, Contender, Workload], ...]] = (
    *((contender.name, contender, "wallets") for contender in (REDIS_1, REDIS_2, BOUND_1, BOUND_2, PEER)),
    *((f"hot_{contender.name}", contender, "hot_wallet") for contender in (REDIS_1, BOUND_1)),
)


def bounds(bench: Bench) -> None:
    """Compares rows first, and then measures all in turn; each repetition begins with another."""
    compare(bench)
    bench.say("bound      the bound writes the same rows as our worker, but for ids, times and hashes")
    repetitions = bench.sizes.repetitions
    for repetition in range(repetitions):
        first = repetition * len(_TURNS) // repetitions
        for name, contender, workload in _TURNS[first:] + _TURNS[:first]:
            drained = _measure(bench, contender, workload)
            _add(bench, name, drained)
            used = drained.usage
            bench.say(
                f"bound      {name:<17} {repetition + 1}/{repetitions}  {drained.rate:9,.0f} jobs/s, µs a job:"
                f" {used.worker_us:.0f} worker, {used.postgresql_us:.0f} PostgreSQL, {used.broker_us:.0f} broker"
            )


def _measure(bench: Bench, contender: Contender, workload: Workload) -> Drained:
    messages = movements(workload, bench.sizes.bound_jobs, bench.sizes.accounts, bench.run_name())
    with bench.database(contender.system) as url:
        return drain(bench, contender, url, messages)


def _add(bench: Bench, name: str, drained: Drained) -> None:
    used, figures = drained.usage, bench.figures
    figures.add("bound", name, drained.rate, "jobs/s")
    figures.add("cpu_us_per_job", name, used.worker_us + used.postgresql_us, "µs, worker and PostgreSQL")
    for part, value in (
        ("worker", used.worker_us), ("postgresql", used.postgresql_us), ("broker", used.broker_us),
    ):  # fmt: skip
        figures.add("cpu_us_per_job", f"{name}_{part}", value, "µs")
    figures.add("wal_bytes_per_job", name, used.wal_bytes, "bytes")
