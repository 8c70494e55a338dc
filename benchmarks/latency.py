"""Latency: from the moment at which a service means to publish a job until PostgreSQL has committed it.

Jobs are published at a steady rate, far below what any contender can do. The clock of a job starts when it is due, not
when its turn has come: a publisher that is held up does not hide it. PostgreSQL notes the end, as the commit timestamp
of the job's row. Both are the same machine's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from time import time
from typing import Final

from benchmarks.bench import OURS, PLAIN, REDIS_1, REDIS_PLAIN, Bench
from benchmarks.contender import Contender, Publisher, Steady
from benchmarks.drain import check
from benchmarks.figures import percentile
from benchmarks.movement import Movement, movements
from benchmarks.servers import engine_of
from benchmarks.workers import running

_WARM_UP_JOBS: Final = 100
_START_S: Final = 90.0


def latency(bench: Bench) -> None:
    """Measures both contenders in turn."""
    contenders: list[tuple[Contender, Steady]] = [(REDIS_PLAIN, PLAIN), (REDIS_1, OURS)]
    for repetition in range(bench.sizes.more_repetitions):
        for contender, system in contenders[repetition % 2 :] + contenders[: repetition % 2]:
            took_ms = _measure(bench, contender, system)
            p50, p99 = percentile(took_ms, 50), percentile(took_ms, 99)
            bench.figures.add("latency", f"{contender.name}_p50", p50, "ms")
            bench.figures.add("latency", f"{contender.name}_p99", p99, "ms")
            turn = f"{repetition + 1}/{bench.sizes.more_repetitions}"
            bench.say(f"latency    {contender.name:<17} {turn}  p50 {p50:.1f} ms, p99 {p99:.1f} ms")


def _measure(bench: Bench, contender: Contender, system: Steady) -> list[float]:
    """Milliseconds of each job."""
    sizes = bench.sizes
    count = round(sizes.latency_s * sizes.latency_rate)
    messages = movements("uniform", _WARM_UP_JOBS + count, sizes.accounts, bench.run_name())
    with (
        bench.database(system) as url,
        bench.broker(contender.broker) as broker,
        engine_of(url) as engine,
    ):
        mark, before = system.mark(engine), system.total(engine)
        commands = system.commands(contender.processes, events=contender.events, queue=broker.queue)
        publisher = system.publisher(broker.url, broker.queue)
        try:
            with running(commands, system.environment(broker.url, url, broker.queue), bench.log) as workers:
                for message in messages[:_WARM_UP_JOBS]:
                    publisher.publish(message)
                workers.wait_until(
                    "the first jobs are applied", lambda: system.applied(engine, mark) == _WARM_UP_JOBS, _START_S
                )
                bench.servers.checkpoint()
                due = publish(publisher, messages[_WARM_UP_JOBS:], sizes.latency_rate)
                workers.wait_until(
                    "all jobs are applied", lambda: system.applied(engine, mark) == len(messages), _START_S
                )
                workers.wait_until("the queue is empty", lambda: system.unfinished(broker, engine) == 0, _START_S)
        finally:
            publisher.close()
        check(bench, contender, engine, broker, mark, before, messages)
        committed = system.committed_at(engine, mark)
    return [(committed[key] - at) * 1000 for key, at in due.items()]


def publish(publisher: Publisher, messages: Sequence[Movement], rate: int) -> dict[str, float]:
    """When each job was due, in seconds since 1970, by its key."""
    due, pause, began = dict[str, float](), Event(), time()
    for number, message in enumerate(messages):
        at = began + number / rate
        if (early := at - time()) > 0:
            pause.wait(early)
        due[message.key] = at
        publisher.publish(message)
    return due
