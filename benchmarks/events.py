"""Events: what the money worker does beside a relay, how fast a backlog leaves, and how long one event takes.

Each turn drains the same jobs three ways: with nobody to relay what they tell, beside an I/O worker that relays it as
it comes, and then by I/O workers alone, which find the events of the first drain.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import median
from threading import Thread
from time import monotonic, time
from typing import Any, Final

import msgspec
from redis import Redis
from sqlalchemy import Engine, text

from benchmarks.bench import Bench
from benchmarks.broker import Broker
from benchmarks.contender import Contender, Incoherent, celery
from benchmarks.drain import drain
from benchmarks.figures import percentile
from benchmarks.latency import publish
from benchmarks.movement import movements
from benchmarks.ours import Ours
from benchmarks.servers import engine_of
from benchmarks.workers import running

_STREAM: Final = "balance.events"
_LEFT: Final = text("select count(*) from outbox")
_START_S: Final = 60.0
_DRAIN_S: Final = 120.0
_WARM_UP: Final = 0.1
_PAUSE_S: Final = 0.02


class _Relaying(Ours):
    """Money workers, and one I/O worker beside them."""

    name = "ours beside a relay"

    def commands(self, processes: int, *, events: bool, queue: str) -> list[list[str]]:
        return [*super().commands(processes, events=events, queue=queue), _relay(queue, 1)]


_ALONE: Final = Contender("alone", Ours(), "redis", 1)
_BESIDE: Final = Contender("beside", _Relaying(), "redis", 1)


def events(bench: Bench) -> None:
    """Measures all of it, the ways in turn."""
    for repetition in range(bench.sizes.repetitions):
        rates: dict[str, float] = {}
        messages = movements("uniform", bench.sizes.jobs, bench.sizes.accounts, bench.run_name())
        with bench.database(_BESIDE.system) as url:
            rates["beside"] = drain(bench, _BESIDE, url, messages).rate
        for relays in (1, 2):
            messages = movements("uniform", bench.sizes.jobs, bench.sizes.accounts, bench.run_name())
            with bench.database(_ALONE.system) as url:
                rates["alone"] = drain(bench, _ALONE, url, messages).rate
                rates[f"relay_{relays}"] = _backlog(bench, url, relays)
            bench.figures.add("events", "alone", rates["alone"], "jobs/s")
        for name in ("beside", "relay_1", "relay_2"):
            bench.figures.add("events", name, rates[name], "jobs/s" if name == "beside" else "events/s")
        took_ms = _latency(bench)
        bench.figures.add("events", "received_p50", median(took_ms), "ms")
        bench.figures.add("events", "received_p99", percentile(took_ms, 99), "ms")
        bench.say(
            f"events     {repetition + 1}/{bench.sizes.repetitions}  {rates['alone']:,.0f} jobs/s alone,"
            f" {rates['beside']:,.0f} beside a relay; a backlog leaves at {rates['relay_1']:,.0f} events/s, with two"
            f" relays {rates['relay_2']:,.0f}; committed to received p50 {median(took_ms):.1f} ms, p99"
            f" {percentile(took_ms, 99):.1f} ms"
        )


def _relay(queue: str, number: int) -> list[str]:
    return celery("worker.app", f"{queue}.io", f"io{number}", "--pool", "threads", "--concurrency", "2")


def _environment(broker: Broker, database_url: str) -> Mapping[str, str]:
    return Ours().environment(broker.url, database_url, broker.queue)


def _backlog(bench: Bench, database_url: str, relays: int) -> float:
    """Events a second that leave a full outbox for the stream, from when a tenth has left."""
    with bench.broker("redis") as broker, engine_of(database_url) as engine, engine.connect() as connection:

        def left() -> int:
            count = int(connection.execute(_LEFT).scalar_one())
            connection.rollback()
            return count

        total = left()
        commands = [_relay(broker.queue, number) for number in range(relays)]
        with running(commands, _environment(broker, database_url), bench.log) as workers:
            workers.wait_until(
                "the first events have left", lambda: left() <= total * (1 - _WARM_UP), _START_S, _PAUSE_S
            )
            began, after = monotonic(), left()
            workers.wait_until("all events have left", lambda: left() == 0, _DRAIN_S, _PAUSE_S)
            return after / (monotonic() - began)


def _latency(bench: Bench) -> list[float]:
    """Milliseconds from the commit to a reader of the stream, of each of a steady rate of jobs."""
    count = round(bench.sizes.latency_s * bench.sizes.latency_rate)
    messages = movements("uniform", count, bench.sizes.accounts, bench.run_name())
    with bench.database(_BESIDE.system) as url, bench.broker("redis") as broker, engine_of(url) as engine:
        mark = _BESIDE.system.mark(engine)
        reader = _Reader(broker.url, {message.key for message in messages})
        publisher = Ours().publisher(broker.url, broker.queue)
        commands = _BESIDE.system.commands(1, events=False, queue=broker.queue)
        try:
            with running(commands, _environment(broker, url), bench.log) as workers:
                reader.start()
                publish(publisher, messages, bench.sizes.latency_rate)
                workers.wait_until("all events were received", lambda: not reader.is_alive(), _DRAIN_S)
        finally:
            publisher.close()
        return _took_ms(engine, mark, reader.received)


def _took_ms(engine: Engine, mark: object, received: Mapping[str, float]) -> list[float]:
    committed = _BESIDE.system.committed_at(engine, mark)
    if committed.keys() != received.keys():
        raise Incoherent(f"{len(committed)} jobs were applied, events of {len(received)} were received")
    return [(received[key] - at) * 1000 for key, at in committed.items()]


class _Reader(Thread):
    """Reads the stream until it has seen the events of these jobs. `received`: when, by their keys."""

    def __init__(self, url: str, wanted: Collection[str]) -> None:
        super().__init__(name="events", daemon=True)
        self._redis: Any = Redis.from_url(url)
        self._wanted = wanted
        self._last: Any = "0-0"
        self.received: dict[str, float] = {}

    def run(self) -> None:
        while len(self.received) < len(self._wanted):
            for _, found in self._redis.xread({_STREAM: self._last}, block=1_000) or ():
                at = time()
                for name, fields in found:
                    self._last = name
                    event = msgspec.json.decode(fields[b"event"])
                    if event["idempotency_key"] in self._wanted:
                        self.received.setdefault(event["idempotency_key"], at)
        self._redis.close()
