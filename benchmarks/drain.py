"""A drain: jobs are published, workers are started, and the time until all jobs are applied is taken.

Start-up is not measured. The database holds all workers at one lock until the last of them stands there; then it lets
them go, and the clock runs from the moment when a tenth has been applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from time import monotonic
from typing import Final

from sqlalchemy import Engine, text

from benchmarks.bench import Bench
from benchmarks.broker import Broker
from benchmarks.contender import Contender, Incoherent
from benchmarks.movement import Movement, unique
from benchmarks.servers import engine_of
from benchmarks.workers import WorkerFailed, Workers, running

_WARM_UP: Final = 0.1  # the part of the jobs that is applied before the clock runs
_START_S: Final = 90.0
_STALL_S: Final = 60.0  # without a single job applied
_SETTLE_S: Final = 60.0
_POLL_S: Final = (0.005, 0.25)
_LINE: Final = text("lock table accounts in access exclusive mode")
_WAITING: Final = text("""
    select count(*) from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and wait_event_type = 'Lock'
""")

Watch = Callable[[Workers, int], None]


def drain(
    bench: Bench,
    contender: Contender,
    database_url: str,
    messages: Sequence[Movement],
    *,
    whole: bool = True,
    watch: Watch | None = None,
) -> float:
    """Jobs applied a second. Raises Incoherent when what was applied is not what was published.

    `whole`: the whole ledger is recomputed, otherwise what was added to it. `watch` is told how many have been applied,
    now and then.
    """
    system, effective = contender.system, unique(messages)
    with bench.broker(contender.broker) as broker, engine_of(database_url) as engine:
        mark, before = system.mark(engine), system.total(engine)
        system.publish(broker.url, broker.queue, messages)
        bench.servers.checkpoint()
        commands = system.commands(contender.processes, events=contender.events, queue=broker.queue)
        environment = system.environment(broker.url, database_url, broker.queue)
        with running(commands, environment, bench.log) as workers:
            _start_together(engine, workers, contender.processes)
            rate = _rate(workers, lambda: system.applied(engine, mark), len(effective), watch)
            workers.wait_until("the queue is empty", lambda: broker.length() == 0, _SETTLE_S)
        check(bench, contender, engine, broker, mark, before, effective, whole=whole)
    return rate


def check(
    bench: Bench,
    contender: Contender,
    engine: Engine,
    broker: Broker,
    mark: object,
    before: int,
    effective: Sequence[Movement],
    *,
    whole: bool = True,
) -> None:
    """Raises Incoherent unless each job was applied once, nothing is left in the queue, and the ledger adds up."""
    if left := broker.length():
        raise Incoherent(f"{contender.name}: {left} messages were left or not acknowledged")
    system = contender.system
    if (applied := system.applied(engine, mark)) != len(effective):
        raise Incoherent(f"{contender.name}: {applied} jobs were applied, {len(effective)} were published")
    moved = sum(movement.amount for movement in effective if movement.kind != "app")
    if (total := system.total(engine)) != before + moved:
        raise Incoherent(f"{contender.name}: all balances make {total}, the jobs make {before + moved}")
    bench.figures.checked(system.check(engine, mark, whole=whole))


def _start_together(engine: Engine, workers: Workers, processes: int) -> None:
    with engine.connect() as line, engine.connect() as counter:
        line.execute(_LINE)

        def all_wait() -> bool:
            waiting = int(counter.execute(_WAITING).scalar_one())
            counter.rollback()
            return waiting >= processes

        workers.wait_until("all workers wait for their first account", all_wait, _START_S)
        line.rollback()


def _rate(workers: Workers, applied: Callable[[], int], wanted: int, watch: Watch | None) -> float:
    pause, released = Event(), monotonic()
    began, done = released, 0  # where the clock runs from: from here if all is over before the first look
    last_count, last_progress = 0, released
    while True:
        now = monotonic()
        count = applied()
        if watch is not None:
            watch(workers, count)
        if count >= wanted:
            return (wanted - done) / (now - began)
        if done == 0 and count >= wanted * _WARM_UP:
            began, done = now, count
        if count > last_count:
            last_count, last_progress = count, now
        elif now - last_progress > _STALL_S:
            raise WorkerFailed(f"{count} of {wanted} jobs applied, and none for {_STALL_S:g} s")
        workers.check()
        so_far = max(count - done, 1) / max(monotonic() - began, 0.001)
        pause.wait(min(max((wanted - count) / so_far / 3, _POLL_S[0]), _POLL_S[1]))
