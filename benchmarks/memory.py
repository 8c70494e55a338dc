"""Memory: what one worker process holds on to over many jobs."""

from __future__ import annotations

from typing import Final

from benchmarks.bench import OURS, REDIS_1, Bench
from benchmarks.drain import drain
from benchmarks.movement import movements
from benchmarks.workers import Workers

_SAMPLES: Final = 20


def memory(bench: Bench) -> None:
    """One long drain; resident memory is read twenty times, the first time after a twentieth of the jobs."""
    jobs = bench.sizes.memory_jobs
    samples: list[tuple[float, float]] = []

    def watch(workers: Workers, applied: int) -> None:
        if applied >= (len(samples) + 1) * jobs // _SAMPLES:
            samples.append((applied, workers.resident_mib()))

    messages = movements("uniform", jobs, bench.sizes.accounts, bench.run_name())
    with bench.database(OURS) as url:
        rate = drain(bench, REDIS_1, url, messages, watch=watch).rate
    bench.figures.series["resident MiB after so many jobs"] = [(applied, round(mib, 1)) for applied, mib in samples]
    (early, first), (late, last) = samples[0], samples[-1]
    bench.figures.add("memory", "first", first, "MiB")
    bench.figures.add("memory", "last", last, "MiB")
    bench.figures.add("memory", "rate", rate, "jobs/s")
    bench.say(
        f"memory     {first:.0f} MiB after {early:,.0f} jobs, {last:.0f} MiB after {late:,.0f}, {rate:,.0f} jobs/s"
    )
