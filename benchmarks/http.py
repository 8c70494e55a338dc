"""The HTTP door: requests a second through one process of it, and how long one takes beside a job that is awaited by
the client, straight over the queue. Door, worker, database, broker and who asks share the machine.

Who asks writes HTTP by hand, over connections that stay open: a library would take more than the door.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from os import sysconf
from pathlib import Path
from time import monotonic
from typing import Final

from balance_client import AsyncBalanceClient
from benchmarks.bench import REDIS_1, Bench
from benchmarks.broker import Broker
from benchmarks.contender import Incoherent
from benchmarks.drain import check
from benchmarks.figures import percentile
from benchmarks.movement import Movement, movements
from benchmarks.ours import job
from benchmarks.servers import engine_of
from benchmarks.workers import running
from worker.local.ports import free_port
from worker.publishers.http_keys import new_key

_AT_ONCE: Final = 64
_START_S: Final = 90.0
_HOST: Final = "127.0.0.1"
_TICKS: Final = sysconf("SC_CLK_TCK")


def http(bench: Bench) -> None:
    """Measures each repetition on a fresh database."""
    for repetition in range(bench.sizes.repetitions):
        turn = f"{repetition + 1}/{bench.sizes.repetitions}"
        _measure(bench, turn)


def _measure(bench: Bench, turn: str) -> None:
    system, sizes = REDIS_1.system, bench.sizes
    steady = round(sizes.latency_s * sizes.latency_rate)
    messages = movements("uniform", _AT_ONCE + sizes.http_requests + 2 * steady, sizes.accounts, bench.run_name())
    rest = iter(messages)
    with bench.database(system) as url, bench.broker("redis") as broker, engine_of(url) as engine:
        mark, before = system.mark(engine), system.total(engine)
        commands = system.commands(1, events=False, queue=broker.queue)
        environment = system.environment(broker.url, url, broker.queue)
        with _door(environment, bench) as (asker, pid), running(commands, environment, bench.log) as workers:
            asyncio.run(asker.flood(islice(rest, _AT_ONCE), _AT_ONCE))  # the first wait for the worker to start
            began, used = monotonic(), _processor_s(pid)
            asyncio.run(asker.flood(islice(rest, sizes.http_requests), _AT_ONCE))
            rate = sizes.http_requests / (monotonic() - began)
            bench.figures.add("http", "door", rate, "requests/s")
            processor_us = (_processor_s(pid) - used) / sizes.http_requests * 1e6
            bench.figures.add("http", "door_processor", processor_us, "µs a request")
            told = f"{rate:,.0f} requests/s, {processor_us:.0f} µs of the door's processor time each"
            bench.say(f"http       door              {turn}  {told}")
            for name, took_ms in (
                ("door", asyncio.run(asker.steady([*islice(rest, steady)], sizes.latency_rate))),
                ("client", asyncio.run(_by_client(broker, [*islice(rest, steady)], sizes.latency_rate))),
            ):
                p50, p99 = percentile(took_ms, 50), percentile(took_ms, 99)
                bench.figures.add("http", f"{name}_p50", p50, "ms")
                bench.figures.add("http", f"{name}_p99", p99, "ms")
                bench.say(f"http       {name:<17} {turn}  p50 {p50:.1f} ms, p99 {p99:.1f} ms")
            workers.wait_until("the queue is empty", lambda: broker.length() == 0, _START_S)
        check(bench, REDIS_1, engine, broker, mark, before, messages)


class _Asker:
    """`port` and `key`: of the door."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._head = f"Host: {_HOST}\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"

    async def flood(self, messages: Iterator[Movement], connections: int) -> None:
        """As fast as they are answered, over so many connections."""

        async def keep_asking() -> None:
            link = await asyncio.open_connection(_HOST, self._port)
            for message in messages:
                await self._ask(link, message)
            link[1].close()

        await asyncio.gather(*(keep_asking() for _ in range(connections)))

    async def steady(self, messages: Sequence[Movement], rate: int) -> list[float]:
        """At a steady rate; milliseconds from when each is due until its answer is read."""
        idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def ask(message: Movement) -> None:
            link = idle.pop() if idle else await asyncio.open_connection(_HOST, self._port)
            await self._ask(link, message)
            idle.append(link)

        took_ms = await _at(rate, [partial(ask, each) for each in messages])
        for _, writer in idle:
            writer.close()
        return took_ms

    async def _ask(self, link: tuple[asyncio.StreamReader, asyncio.StreamWriter], message: Movement) -> None:
        reader, writer = link
        body = json.dumps({"amount_kopeks": message.amount})
        writer.write(
            f"POST /users/{message.account}/balance HTTP/1.1\r\n{self._head}Idempotency-Key: {message.key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise Incoherent(f"{message.key}: {head[:20]!r} {answer[:200]!r}")


async def _by_client(broker: Broker, messages: Sequence[Movement], rate: int) -> list[float]:
    async with AsyncBalanceClient(broker.url, queue=broker.queue) as client:

        async def ask(message: Movement) -> None:
            outcome = await (await client.submit(job(message))).get(_START_S)
            if not outcome.applied:
                raise Incoherent(f"a job was refused: {outcome.code}")

        return await _at(rate, [partial(ask, each) for each in messages])


async def _at(rate: int, asked: Sequence[Callable[[], Awaitable[None]]]) -> list[float]:
    """Starts each when it is due, whatever became of the others. Milliseconds from then on."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    took_ms: list[float] = []

    async def one(due: float, ask: Callable[[], Awaitable[None]]) -> None:
        await ask()
        took_ms.append((loop.time() - due) * 1000)

    tasks = []
    for number, each in enumerate(asked):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        tasks.append(loop.create_task(one(due, each)))
    await asyncio.gather(*tasks)
    return took_ms


@contextmanager
def _door(environment: Mapping[str, str], bench: Bench) -> Iterator[tuple[_Asker, int]]:
    key, digest = new_key("bench")
    port = free_port()
    given = {
        **environment,
        "BALANCE_HTTP_PORT": str(port),
        "BALANCE_HTTP_KEYS": json.dumps({"bench": {"hashes": [digest], "producer": "default"}}),
        "BALANCE_HTTP_RATE_PER_S": "1000000",
        "BALANCE_HTTP_WAIT_S": "60",
    }
    with running([[sys.executable, "-m", "worker.cli.main", "http"]], given, bench.log) as process:
        process.wait_until("the door is open", lambda: _listens(port), _START_S)
        yield _Asker(port, key), process.pids[0]


def _listens(port: int) -> bool:
    async def connect() -> None:
        _, writer = await asyncio.open_connection(_HOST, port)
        writer.close()

    try:
        asyncio.run(connect())
    except OSError:
        return False
    return True


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
