"""Growth: what a job costs in a ledger of ten million entries and a million accounts, against a small one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks import population
from benchmarks.bench import OURS, REDIS_1, Bench
from benchmarks.drain import drain
from benchmarks.movement import movements
from benchmarks.servers import engine_of

_BYTES_EACH_ENTRY: Final = 1_200  # on disk with its job and all indexes, and as much again in the write-ahead log


def growth(bench: Bench) -> None:
    """Measures both ledgers in turn, each repetition on top of the one before."""
    sizes = bench.sizes
    if bench.servers.free_bytes() < sizes.grown_accounts * sizes.entries_each * _BYTES_EACH_ENTRY:
        bench.figures.skipped["growth"] = "the disk has too little room for the large ledger"
        return
    with _ledger(bench, "small", sizes.small_accounts) as small, _ledger(bench, "grown", sizes.grown_accounts) as grown:
        ledgers = [("small", small, sizes.small_accounts), ("grown", grown, sizes.grown_accounts)]
        for repetition in range(sizes.more_repetitions):
            for name, url, accounts in ledgers[repetition % 2 :] + ledgers[: repetition % 2]:
                messages = movements("uniform", sizes.growth_jobs, accounts, bench.run_name())
                rate = drain(bench, REDIS_1, url, messages, whole=False).rate
                bench.figures.add("growth", name, rate, "jobs/s")
                bench.say(f"growth     {name:<17} {repetition + 1}/{sizes.more_repetitions}  {rate:9,.0f} jobs/s")


@contextmanager
def _ledger(bench: Bench, name: str, accounts: int) -> Iterator[str]:
    with bench.servers.database(name) as url:
        OURS.create(url)
        with engine_of(url) as engine:
            population.add_accounts(engine, "user", accounts)
            population.add_past(engine, accounts, bench.sizes.entries_each)
            population.tidy(engine)
        bench.say(f"growth     {name:<17} {accounts:,} accounts, {accounts * bench.sizes.entries_each:,} entries made")
        yield url
