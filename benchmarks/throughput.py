"""Throughput: how fast each contender drains each workload, one after the other, and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmarks.bench import (
    RABBITMQ_1,
    RABBITMQ_1_EVENTS,
    RABBITMQ_2,
    RABBITMQ_2_EVENTS,
    RABBITMQ_PLAIN,
    REDIS_1,
    REDIS_1_EVENTS,
    REDIS_2,
    REDIS_2_EVENTS,
    REDIS_PLAIN,
    Bench,
)
from benchmarks.contender import Contender
from benchmarks.drain import drain
from benchmarks.floor import floor
from benchmarks.movement import Workload, movements

_REDIS: Final = (REDIS_PLAIN, REDIS_1, REDIS_2)
_EVENTS: Final = (REDIS_1_EVENTS, REDIS_2_EVENTS)
_RABBITMQ: Final = (RABBITMQ_PLAIN, RABBITMQ_1)
_RABBITMQ_MORE: Final = (RABBITMQ_2, RABBITMQ_1_EVENTS, RABBITMQ_2_EVENTS)
_CONTENDERS: Final[dict[Workload, tuple[Contender, ...]]] = {
    "uniform": (*_REDIS, *_EVENTS, *_RABBITMQ, *_RABBITMQ_MORE),
    "hot": (*_REDIS, *_RABBITMQ),
    "duplicates": _REDIS,
    "mixed": _REDIS,
}
_QUICK: Final[dict[Workload, tuple[Contender, ...]]] = {
    "uniform": (*_REDIS, REDIS_1_EVENTS, *_RABBITMQ),
    "hot": (REDIS_PLAIN, REDIS_1),
    "duplicates": (REDIS_PLAIN, REDIS_1),
    "mixed": (REDIS_PLAIN, REDIS_1),
}
_FLOORED: Final = ("uniform", "hot")


def throughput(bench: Bench, workload: Workload) -> None:
    """Measures one workload. Each repetition begins with another contender, so that none always comes first."""
    contenders = (_CONTENDERS if bench.sizes.every_contender else _QUICK)[workload]
    turns: list[tuple[str, Callable[[], float]]] = [
        (contender.name, _turn(bench, contender, workload)) for contender in contenders if bench.has(contender.broker)
    ]
    if workload in _FLOORED:
        accounts = 1 if workload == "hot" else bench.sizes.accounts
        turns.append(("floor", lambda: floor(bench, "statements", accounts)))
        turns.append(("lean_floor", lambda: floor(bench, "one_statement", accounts)))
    repetitions = bench.sizes.more_repetitions if workload == "hot" else bench.sizes.repetitions
    for repetition in range(repetitions):
        first = repetition * len(turns) // repetitions
        for name, measure in turns[first:] + turns[:first]:
            rate = measure()
            bench.figures.add(workload, name, rate, "jobs/s")
            bench.say(f"{workload:<10} {name:<17} {repetition + 1}/{repetitions}  {rate:9,.0f} jobs/s")


def _turn(bench: Bench, contender: Contender, workload: Workload) -> Callable[[], float]:
    def measure() -> float:
        count = bench.sizes.plain_jobs if contender.system.name == "plain" else bench.sizes.jobs
        messages = movements(workload, count, bench.sizes.accounts, bench.run_name())
        with bench.database(contender.system) as url:
            return drain(bench, contender, url, messages).rate

    return measure
