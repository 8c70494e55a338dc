"""A drain: jobs are published, workers are started, and the time until all jobs are applied is taken.

Start-up is not measured. The database holds all workers at one lock until the last of them stands there and all have
come to rest; then it lets them go. The clock runs from the commit with which a tenth is applied to the last one, as
PostgreSQL notes them. Processor time and log are counted from when they are let go until all is acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from time import monotonic, time
from typing import Final

from sqlalchemy import Engine, text

from benchmarks.bench import Bench
from benchmarks.broker import Broker
from benchmarks.contender import Contender, Incoherent
from benchmarks.movement import Movement, unique
from benchmarks.servers import Servers, engine_of
from benchmarks.usage import Meter, Usage, processor_us
from benchmarks.workers import WorkerFailed, Workers, running

_WARM_UP: Final = 0.1  # the part of the jobs that is applied before the clock runs
_START_S: Final = 90.0
_STALL_S: Final = 60.0  # without a single job applied
_SETTLE_S: Final = 60.0
_POLL_S: Final = (0.02, 0.25)  # a look costs PostgreSQL time that is counted
_REST_S: Final = 0.25
_REST_US: Final = 20_000.0  # of processor time that workers at rest may use in _REST_S: two ticks of the system's clock
_LINE: Final = text("lock table accounts in access exclusive mode")
_WAITING: Final = text("""
    select count(*) from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and wait_event_type = 'Lock'
""")

Watch = Callable[[Workers, int], None]


@dataclass(frozen=True, slots=True)
class Drained:
    """`rate`: jobs applied a second. `usage`: for one job."""

    rate: float
    usage: Usage


def drain(
    bench: Bench,
    contender: Contender,
    database_url: str,
    messages: Sequence[Movement],
    *,
    whole: bool = True,
    checked: bool = True,
    watch: Watch | None = None,
) -> Drained:
    """Raises Incoherent when what was applied is not what was published.

    `whole`: the whole ledger is recomputed, otherwise what was added to it. `watch` is told how many have been applied,
    now and then. `checked`: False where what was written is looked at otherwise.
    """
    system, effective = contender.system, unique(messages)
    with bench.broker(contender.broker) as broker, engine_of(database_url) as engine:
        mark, before = system.mark(engine), system.total(engine)
        system.publish(broker, database_url, messages)
        bench.servers.checkpoint()
        commands = system.commands(contender.processes, events=contender.events, queue=broker.queue)
        environment = system.environment(broker.url, database_url, broker.queue)
        with running(commands, environment, bench.log) as workers:
            meter = _meter(engine, workers, bench.servers)
            with _line(engine) as let_go:
                _until_all_stand(engine, workers, contender.processes)
                used, released = meter.read(), time()
                let_go()
            _until_applied(workers, lambda: system.applied(engine, mark), len(effective), watch)
            workers.wait_until("the queue is empty", lambda: system.unfinished(broker, engine) == 0, _SETTLE_S)
            usage = meter.read().for_each(len(effective), used)
        if checked:
            check(bench, contender, engine, broker, mark, before, effective, whole=whole)
        return Drained(_rate(system.committed_at(engine, mark).values(), released), usage)


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
    if left := contender.system.unfinished(broker, engine):
        raise Incoherent(f"{contender.name}: {left} messages were left or not acknowledged")
    system = contender.system
    if (applied := system.applied(engine, mark)) != len(effective):
        raise Incoherent(f"{contender.name}: {applied} jobs were applied, {len(effective)} were published")
    moved = sum(movement.amount for movement in effective if movement.kind != "app")
    if (total := system.total(engine)) != before + moved:
        raise Incoherent(f"{contender.name}: all balances make {total}, the jobs make {before + moved}")
    bench.figures.checked(system.check(engine, mark, whole=whole))


def _meter(engine: Engine, workers: Workers, servers: Servers) -> Meter:
    postgresql, valkey = servers.postgres.pid, servers.valkey.pid
    if postgresql is None or valkey is None:
        raise WorkerFailed("a server of the run has ended")
    return Meter(engine, workers.pids, postgresql, valkey)


@contextmanager
def _line(engine: Engine) -> Iterator[Callable[[], None]]:
    """Nobody gets at an account until what is yielded is called."""
    with engine.connect() as line:
        line.execute(_LINE)
        yield line.rollback


def _until_all_stand(engine: Engine, workers: Workers, wanted: int) -> None:
    """Until so many connections wait at the line, and the workers have in hand what they take beforehand."""
    with engine.connect() as counter:

        def all_wait() -> bool:
            waiting = int(counter.execute(_WAITING).scalar_one())
            counter.rollback()
            return waiting >= wanted

        workers.wait_until("all workers wait for their first account", all_wait, _START_S)
    last = 0.0

    def at_rest() -> bool:
        nonlocal last
        before, last = last, processor_us(workers.pids)
        return last - before <= _REST_US

    workers.wait_until("all workers have come to rest", at_rest, _START_S, _REST_S)


def _until_applied(workers: Workers, applied: Callable[[], int], wanted: int, watch: Watch | None) -> None:
    pause, released = Event(), monotonic()
    last_count, last_progress = 0, released
    while True:
        now = monotonic()
        count = applied()
        if watch is not None:
            watch(workers, count)
        if count >= wanted:
            return
        if count > last_count:
            last_count, last_progress = count, now
        elif now - last_progress > _STALL_S:
            raise WorkerFailed(f"{count} of {wanted} jobs applied, and none for {_STALL_S:g} s")
        workers.check()
        so_far = max(count, 1) / max(monotonic() - released, 0.001)
        pause.wait(min(max((wanted - count) / so_far / 3, _POLL_S[0]), _POLL_S[1]))


def _rate(committed: Collection[float], released: float) -> float:
    """Jobs a second after the first tenth of them; where all were committed at once, since they were let go."""
    at = sorted(committed)
    began = at[round(len(at) * _WARM_UP)]
    after = [moment for moment in at if moment > began]
    return len(after) / (at[-1] - began) if after else len(at) / (at[-1] - released)
