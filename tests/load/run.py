"""One run: an outbox that is full, two I/O workers that empty it, and what has arrived.

The servers are of the run alone, and as benchmarks have them. Jobs are applied by the run itself: here it is about what
follows them.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final
from uuid import UUID

from redis import Redis
from sqlalchemy import Engine, text

from benchmarks.contender import celery
from benchmarks.population import add_accounts
from benchmarks.servers import Servers, engine_of
from benchmarks.workers import Workers, running
from models.contracts.message import parse
from models.domain.deciding.decision import Limits
from models.domain.webhooks.secrets import SecretKeys, shown_secret
from models.store.audit.ledger import audit
from models.store.connection.session import transaction
from models.store.schema.migrations import upgrade
from models.store.write.events import endpoints
from tasks.apply.path import apply
from tests.load.checks import Arrived, all_findings, of_receiver, of_stream
from tests.support.servers.child import running as running_server
from worker.local.ports import free_port

WORKERS: Final = 2
_KEYS: Final = SecretKeys((b"a key of the load, of some length",))
_LIMITS: Final = Limits(webhook_key=_KEYS.newest)
_BATCH: Final = 500  # jobs a transaction
_STREAM: Final = "balance.events"
_QUEUE: Final = "load"
_LATE: Final = 0.8  # of them, up to when it is told how it goes
_EARLY: Final = 0.2  # of the webhooks, when memory is read for the first time
_PATIENCE_S: Final = 600.0
_GROWTH_MIB: Final = 8.0  # of one worker, from then on: what an allocator may keep
_POLL_S: Final = 0.2
_LEFT: Final = {
    "outbox": text("select count(*) from outbox"),
    "stream_backlog": text("select count(*) from stream_backlog"),
    "webhook_queues": text("select count(*) from webhook_queues"),
    "deliveries that did not arrive": text("select count(*) from webhook_deliveries where status <> 'delivered'"),
}
_DELIVERED: Final = text("select count(*) from webhook_deliveries where status = 'delivered'")
_TOLD: Final = text("""
    select a.kind || ':' || a.ref as account, count(*) as told from entries e join accounts a on a.id = e.account_id
    group by 1
""")


@dataclass(frozen=True, slots=True)
class Plan:
    """`share`: of the requests to the receiver that fail."""

    events: int
    accounts: int
    share: float
    seed: int


@dataclass(frozen=True, slots=True)
class Report:
    """It is green when nothing was found."""

    plan: Plan
    applied_s: float
    stream_rate: float  # events a second, while webhooks are sent as well
    webhook_rate: float  # events a second
    streamed_again: int
    sent_again: int  # of what had been taken
    failed: dict[str, int]  # requests, by what the receiver did to them
    early_mib: float  # of a worker, after a fifth of the webhooks
    last_mib: float
    findings: list[str]

    def document(self) -> dict[str, Any]:
        return asdict(self)


Say = Callable[[str], None]


def run(plan: Plan, say: Say) -> Report:
    """Raises benchmarks.workers.WorkerFailed when a worker ends, or something does not come."""
    with Servers(None, "") as servers, servers.database("load") as url, engine_of(url) as engine:
        upgrade(url)
        add_accounts(engine, "user", plan.accounts)
        port = free_port()
        secret = _listen(engine, port)
        began = monotonic()
        _apply(engine, plan)
        applied_s = monotonic() - began
        say(f"{plan.events:,} events are in the outbox after {applied_s:.0f} s")
        servers.checkpoint()
        log = servers.directory / "received.log"
        with _receiver(plan, port, secret, log):
            took = _drained(servers, url, engine, plan, say)
        wanted = _told(engine)
        with Redis.from_url(servers.valkey.url) as client:
            arrived = [of_stream(client, _STREAM, wanted), of_receiver(log, wanted)]
        say("what arrived is counted")
        return _report(plan, applied_s, took, arrived, [*_left(engine), *_memory(took), *_ledger(engine)])


@dataclass(frozen=True, slots=True)
class _Took:
    stream_rate: float
    webhook_rate: float
    early_mib: float
    last_mib: float


def _listen(engine: Engine, port: int) -> str:
    """Adds the endpoint, and returns its secret."""
    body = {"idempotency_key": "add", "name": "the receiver", "url": f"http://127.0.0.1:{port}/events"}
    [outcome] = apply(engine, [parse("webhooks.add", body)], _LIMITS)
    name = UUID(outcome.document()["response"]["id"])
    with transaction(engine) as connection:
        endpoint = endpoints.lock(connection, [name])[name]
    secret = _KEYS.secret(name, endpoint.secret)
    assert secret is not None
    return shown_secret(secret)


def _apply(engine: Engine, plan: Plan) -> None:
    numbers = iter(range(plan.events))
    while batch := [number for number, _ in zip(numbers, range(_BATCH), strict=False)]:
        jobs = [
            parse(
                "users.update_balance",
                {"idempotency_key": f"load-{number}", "user_id": number % plan.accounts + 1, "amount_kopeks": 1},
            )
            for number in batch
        ]
        apply(engine, jobs, _LIMITS)


@contextmanager
def _receiver(plan: Plan, port: int, secret: str, log: Path) -> Iterator[None]:
    words = ["-m", "tests.load.receiver", "--port", str(port), "--secret", secret, "--share", str(plan.share)]
    words += ["--seed", str(plan.seed), "--log", str(log)]
    with running_server(words, log.with_suffix(".out")) as child:
        yield
        child.process.send_signal(signal.SIGTERM)  # it writes down what it has in hand
        child.process.wait(20)


def _drained(servers: Servers, url: str, engine: Engine, plan: Plan, say: Say) -> _Took:
    commands = [
        celery("worker.app", f"{_QUEUE}.io", f"io{number}", "--pool", "threads", "--concurrency", "2")
        for number in range(WORKERS)
    ]
    environment = {
        "BALANCE_BROKER_URL": servers.valkey.url,
        "BALANCE_DATABASE_URL": url,
        "BALANCE_QUEUE": _QUEUE,
        "BALANCE_IO_QUEUE": f"{_QUEUE}.io",
        "BALANCE_WEBHOOK_KEY": _KEYS.keys[0].decode(),
        "BALANCE_WEBHOOK_ALLOW_PRIVATE": "true",
        "BALANCE_WEBHOOK_TIMEOUT_S": "1",
        "BALANCE_WEBHOOK_RETRY_BASE_S": "0.1",
        "BALANCE_EVENT_STREAM_LENGTH": str(max(plan.events * 2, 1_000)),
    }
    with running(commands, environment, servers.directory / "workers.log") as workers:
        _wait(workers, "the first event has left", lambda: _count(engine, "outbox") < plan.events)
        began, waiting = monotonic(), _count(engine, "outbox")
        _wait(workers, "the stream has all", lambda: _count(engine, "outbox") == 0)
        stream_rate = waiting / (monotonic() - began)
        say(f"all of them are in the stream, {stream_rate:,.0f} a second; webhooks: {_delivered(engine):,}")
        _wait(workers, "a fifth has arrived", lambda: _delivered(engine) >= plan.events * _EARLY)
        early_mib = workers.resident_mib() / WORKERS
        say(f"{_delivered(engine):,} webhooks have arrived, a worker has {early_mib:.0f} MiB")
        while (delivered := _delivered(engine)) < plan.events * _LATE:
            goal = delivered + plan.events * _EARLY
            _wait(workers, "more has arrived", partial(_has, engine, goal))
            say(
                f"{_delivered(engine):,} webhooks have arrived, a worker has {workers.resident_mib() / WORKERS:.0f} MiB"
            )
        _wait(workers, "all have arrived", lambda: _count(engine, "webhook_queues") == 0)
        webhook_rate = plan.events / (monotonic() - began)
        return _Took(stream_rate, webhook_rate, early_mib, workers.resident_mib() / WORKERS)


def _wait(workers: Workers, what: str, condition: Callable[[], bool]) -> None:
    workers.wait_until(what, condition, _PATIENCE_S, _POLL_S)


def _count(engine: Engine, where: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(_LEFT[where]).scalar_one())


def _delivered(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(_DELIVERED).scalar_one())


def _has(engine: Engine, count: float) -> bool:
    return _delivered(engine) >= count


def _told(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {row.account: int(row.told) for row in connection.execute(_TOLD)}


def _left(engine: Engine) -> list[str]:
    return [f"{found} are left in {where}" for where in _LEFT if (found := _count(engine, where))]


def _memory(took: _Took) -> list[str]:
    grown = took.last_mib - took.early_mib
    return [f"a worker has grown by {grown:.1f} MiB"] if grown > _GROWTH_MIB else []


def _ledger(engine: Engine) -> list[str]:
    return [f"the ledger: {finding}" for finding in audit(engine).findings[:10]]


def _report(plan: Plan, applied_s: float, took: _Took, arrived: list[Arrived], findings: list[str]) -> Report:
    stream, webhooks = arrived
    return Report(
        plan=plan,
        applied_s=round(applied_s, 1),
        stream_rate=round(took.stream_rate),
        webhook_rate=round(took.webhook_rate),
        streamed_again=stream.again,
        sent_again=webhooks.again,
        failed=webhooks.failed,
        early_mib=round(took.early_mib, 1),
        last_mib=round(took.last_mib, 1),
        findings=[*all_findings(arrived), *findings],
    )
