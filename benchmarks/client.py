"""The client for asyncio: jobs that a service submits at one moment, against submit_many and plain Celery.

How long a service waits until the broker has all of them, and what each costs it in processor time: in the loop, in the
publisher's thread, and in the kernel on behalf of both. Then the whole way, with a worker: published and answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import median
from time import monotonic, process_time
from typing import Final, NamedTuple

from balance_client import AsyncBalanceClient, BalanceClient
from balance_client.publishing.job_message import JobSpec
from benchmarks.bench import RABBITMQ_1, REDIS_1, Bench
from benchmarks.broker import Broker
from benchmarks.contender import BrokerKind, Contender, Incoherent
from benchmarks.drain import check
from benchmarks.movement import Movement, movements
from benchmarks.ours import job
from benchmarks.publishing import celery_publisher
from benchmarks.servers import engine_of
from benchmarks.workers import running

_AT_ONCE: Final = 200  # jobs
_WAITING: Final = 50  # requests that a service answers at a time
_ANSWERED_S: Final = 60.0
_BROKERS: Final[Sequence[tuple[BrokerKind, str, Contender]]] = (
    ("redis", "", REDIS_1), ("rabbitmq", "rabbitmq_", RABBITMQ_1),
)  # fmt: skip


class _Cost(NamedTuple):
    """Of one job."""

    wall_us: float
    processor_us: float


def client(bench: Bench) -> None:
    """Measures all ways in turn, on each broker."""
    for kind, prefix, contender in _BROKERS:
        if bench.has(kind):
            for repetition in range(bench.sizes.repetitions):
                costs = _published(bench, kind, first=repetition)
                costs["answered"] = _answered(bench, contender)
                for way, cost in costs.items():
                    bench.figures.add("client", f"{prefix}{way}", cost.wall_us, "µs a job")
                    bench.figures.add("client", f"{prefix}{way}_processor", cost.processor_us, "µs a job")
                    turn = f"{repetition + 1}/{bench.sizes.repetitions}"
                    told = f"{cost.wall_us:7.0f} µs a job, {cost.processor_us:.0f} of the processor"
                    bench.say(f"client     {prefix + way:<21} {turn}  {told}")


def _published(bench: Bench, kind: BrokerKind, *, first: int) -> dict[str, _Cost]:
    """The median of each way, measured many times by turns."""
    rounds = bench.sizes.client_rounds
    with bench.broker(kind) as broker:
        measured = asyncio.run(_by_turns(bench, broker, rounds, first))
        # Each way has published one job to connect, and then the same in each round.
        expected = len(measured) * (1 + rounds * _AT_ONCE)
        if (arrived := broker.length()) != expected:
            raise Incoherent(f"{expected} jobs were published, {arrived} arrived")
    return {
        way: _Cost(median(each.wall_us for each in costs), median(each.processor_us for each in costs))
        for way, costs in measured.items()
    }


async def _by_turns(bench: Bench, broker: Broker, rounds: int, first: int) -> dict[str, list[_Cost]]:
    measured: dict[str, list[_Cost]] = {"submit_many": [], "async": [], "apply_async": []}
    order = list(measured)[first % 3 :] + list(measured)[: first % 3]
    with (
        BalanceClient(broker.url, queue=broker.queue) as blocking,
        celery_publisher(broker) as plain,
    ):
        async with AsyncBalanceClient(broker.url, queue=broker.queue) as looped:

            async def publish(way: str, messages: list[Movement]) -> None:
                if way == "submit_many":
                    blocking.submit_many(map(job, messages), want_result=False)
                elif way == "async":
                    await asyncio.gather(*(looped.submit(job(each), want_result=False) for each in messages))
                else:
                    for each in messages:
                        plain(each)

            for way in measured:  # in this order: what Celery sends to a queue that nobody has made yet is nowhere
                await publish(way, movements("uniform", 1, bench.sizes.accounts, bench.run_name()))
            for _ in range(rounds):
                for way in order:
                    messages = movements("uniform", _AT_ONCE, bench.sizes.accounts, bench.run_name())
                    began, used = monotonic(), process_time()
                    await publish(way, messages)
                    measured[way].append(_cost(began, used, _AT_ONCE))
    return measured


def _cost(began: float, used: float, jobs: int) -> _Cost:
    return _Cost((monotonic() - began) / jobs * 1e6, (process_time() - used) / jobs * 1e6)


def _answered(bench: Bench, contender: Contender) -> _Cost:
    """Published, applied by a worker, and the outcome awaited: so many at a time."""
    system, sizes = contender.system, bench.sizes
    messages = movements("uniform", sizes.client_answered + _WAITING, sizes.accounts, bench.run_name())
    with (
        bench.database(system) as url,
        bench.broker(contender.broker) as broker,
        engine_of(url) as engine,
    ):
        mark, before = system.mark(engine), system.total(engine)
        commands = system.commands(contender.processes, events=contender.events, queue=broker.queue)
        with running(commands, system.environment(broker.url, url, broker.queue), bench.log) as workers:
            cost = asyncio.run(_awaited(broker, [job(each) for each in messages]))
            workers.wait_until("the queue is empty", lambda: broker.length() == 0, _ANSWERED_S)
        check(bench, contender, engine, broker, mark, before, messages)
    return cost


async def _awaited(broker: Broker, jobs: list[JobSpec]) -> _Cost:
    async with AsyncBalanceClient(broker.url, queue=broker.queue) as looped:
        rest = iter(jobs)

        async def ask(spec: JobSpec) -> None:
            outcome = await (await looped.submit(spec)).get(_ANSWERED_S)
            if not outcome.applied:
                raise Incoherent(f"a job was refused: {outcome.code}")

        async def keep_asking() -> None:
            for spec in rest:
                await ask(spec)

        # The first wait for the worker to start.
        await asyncio.gather(*(ask(next(rest)) for _ in range(_WAITING)))
        began, used = monotonic(), process_time()
        await asyncio.gather(*(keep_asking() for _ in range(_WAITING)))
        return _cost(began, used, len(jobs) - _WAITING)
