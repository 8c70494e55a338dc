"""One trace from the publisher to the receiver of a webhook, by real processes; nothing for who traces nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine

from balance_client import BalanceClient
from balance_client.tracing import traced
from tests.acceptance.http.running import RunningDoor
from tests.acceptance.system import System, wait_until
from tests.acceptance.telling import SETTINGS
from tests.support.servers.collector import Collector, Told
from tests.support.servers.receiver import Receiver

GIVEN = "00-{:032x}-00f067aa0ba902b7-{}"
STREAM = "traced.events"
USER = 1
JOB, EVENT, SENT = "users.update_balance", "publish user.balance.updated", "deliver webhook"


class Traced:
    """A system that tells of its traces, with a door, a stream and an endpoint."""

    def __init__(self, system: System, collector: Collector, receiver: Receiver) -> None:
        self.system, self.collector, self.receiver = system, collector, receiver
        self._numbers = iter(range(1, 1_000))

    def correct(self, key: str | None = None) -> dict[str, Any]:
        return {"idempotency_key": key or f"k{next(self._numbers)}", "user_id": USER, "amount_kopeks": 1}

    def spans(self, trace: str, *names: str) -> dict[str, Told]:
        """Those of a trace, once these are there."""
        wait_until(f"{names} in {self.collector.spans}", lambda: {*names} <= {*self.collector.of(trace)})
        return self.collector.of(trace)

    def header(self, trace: str) -> str:
        """Of the webhook that is part of the trace."""
        return str(wait_until("the webhook", lambda: next(iter(self._headers(trace)), None)))

    def _headers(self, trace: str) -> Iterator[str]:
        for asked in [*self.receiver.asked]:
            if trace in (header := asked.headers.get("traceparent", "")):
                yield header

    def events(self) -> list[Any]:
        """That came through the stream."""
        with redis.Redis.from_url(self.system.broker_url) as client:
            return [json.loads(fields[b"event"]) for _, fields in client.xrange(STREAM)]


@pytest.fixture
def running(redis_url: str, database_url: str, engine: Engine, tmp_path: Path) -> Iterator[Traced]:
    with Collector() as collector, Receiver() as receiver:
        system = System(redis_url, database_url, engine, "balance", tmp_path)
        system.environment |= {**SETTINGS, "BALANCE_EVENT_STREAM_NAME": STREAM, **collector.settings}
        system.money_worker(BALANCE_LOG_FORMAT="json")
        system.io_worker()
        system.ask("users.upsert", idempotency_key="open", user_id=USER)
        url = f"http://127.0.0.1:{receiver.port}/"
        assert system.ask("webhooks.add", idempotency_key="e", name="e", url=url)["code"] == "applied"
        yield Traced(system, collector, receiver)
        system.stop()


def test_one_trace_from_the_publisher_to_the_receiver(running: Traced) -> None:
    # The publisher has OpenTelemetry of its own, and the client needs to be told nothing.
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with BalanceClient(running.system.broker_url, "shop") as client:
        with provider.get_tracer("shop").start_as_current_span("checkout"):
            handle = client.submit((JOB, running.correct("bought")))
        outcome = handle.get(timeout_s=60)
        with provider.get_tracer("shop").start_as_current_span("again"):
            again = client.submit((JOB, running.correct("bought"))).get(timeout_s=60)
    assert (again.job_id, again.replayed) == (outcome.job_id, True), "the trace is no part of what a job means"
    checkout = next(span.context for span in exporter.get_finished_spans() if span.name == "checkout")
    trace, span = f"{checkout.trace_id:032x}", f"{checkout.span_id:016x}"
    spans = running.spans(trace, JOB, EVENT, SENT)
    job, told, sent = (spans[name] for name in (JOB, EVENT, SENT))
    assert (job.parent, told.parent, sent.parent) == (span, job.id, job.id)
    assert job.attributes.items() >= {
        "balance.code": "applied", "balance.job_id": str(outcome.job_id), "balance.key": "bought",
        "balance.producer": "shop", "balance.replayed": False, "messaging.message.id": handle.task_id,
    }.items()  # fmt: skip
    assert {each.service for each in spans.values()} == {"balance-worker"}
    assert not any(each.failed for each in spans.values())
    assert running.header(trace)[:-1] == f"00-{trace}-{sent.id}-0"  # flags: sampled, and perhaps that its id is random
    wait_until("its batch", lambda: any(each.links == (job.id,) for each in running.collector.spans))
    [event] = [each for each in running.events() if each["job_id"] == str(outcome.job_id)]
    assert event["traceparent"][:-1] == f"00-{trace}-{job.id}-0"
    lines = [json.loads(line) for line in running.system.log("money").splitlines() if trace in line]
    assert {(line["key"], line["trace_id"]) for line in lines} == {("bought", trace)}
    _by_the_door(running)
    _by_celery(running)
    _what_is_not_traced(running)


def _by_the_door(running: Traced) -> None:
    door = RunningDoor(running.system)
    header = GIVEN.format(0xD008, "01")
    answer = door.post(f"/users/{USER}/balance", {"amount_kopeks": 5}, headers={"traceparent": header})
    assert answer.is_success, answer.text
    trace = header[3:35]
    spans = running.spans(trace, JOB, EVENT, SENT)
    [asked] = [each for each in spans.values() if each.service == "balance-worker-http"]
    assert asked.parent == "00f067aa0ba902b7"
    assert asked.attributes["http.response.status_code"] == answer.status_code
    assert spans[JOB].parent == asked.id


def _by_celery(running: Traced) -> None:
    """As opentelemetry-instrumentation-celery sends it: among the message's headers."""
    header = GIVEN.format(0xCE1, "01")
    sent = running.system.client.send_task(
        JOB, kwargs=running.correct(), queue=running.system.queue, headers={"traceparent": header}
    )
    spans = running.spans(header[3:35], JOB, EVENT, SENT)
    assert spans[JOB].parent == "00f067aa0ba902b7"
    assert spans[JOB].attributes["messaging.message.id"] == sent.id
    lost = GIVEN.format(0xBAD, "01")
    running.system.client.send_task("no.job", queue=running.system.queue, headers={"traceparent": lost})
    assert running.spans(lost[3:35], "no.job")["no.job"].failed


def _what_is_not_traced(running: Traced) -> None:
    """Who has no trace, an unsampled one, or what is none, is served like anybody, and nothing is sent for it."""
    before = len(running.collector.spans)
    odd: list[Any] = [
        None, 7, {"a": "b"}, "", "garbage", GIVEN.format(0, "01"), GIVEN.format(1, "00"), GIVEN.format(1, "01") + "-x",
        GIVEN.format(1, "01").upper().replace("F067", "G067"), "ff" + GIVEN.format(1, "01")[2:],
    ]  # fmt: skip
    client, queue = running.system.client, running.system.queue
    sent = [running.correct() for _ in odd]
    for arguments, header in zip(sent, odd, strict=True):
        client.send_task(JOB, kwargs=arguments, queue=queue, headers={} if header is None else {"traceparent": header})
    with BalanceClient(running.system.broker_url) as ours, traced("garbage"):
        ours.submit((JOB, running.correct("last"))).get(timeout_s=60)
    keys = [arguments["idempotency_key"] for arguments in sent]
    found = running.system.rows("select code from jobs where idempotency_key = any(:keys)", keys=keys)
    assert [row.code for row in found] == ["applied"] * len(odd)
    wait_until("all to be delivered", lambda: not running.system.count("webhook_queues"))
    last = GIVEN.format(0x1A57, "01")
    with BalanceClient(running.system.broker_url) as ours, traced(last):
        ours.submit((JOB, running.correct())).get(timeout_s=60)
    running.spans(last[3:35], JOB, EVENT, SENT)
    wait_until("its batch", lambda: len(running.collector.spans) >= before + 4)
    assert len(running.collector.spans) == before + 4


def test_a_collector_that_is_away_costs_no_job_and_no_stop(system: System) -> None:
    away = {"BALANCE_TRACES": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    arguments = ["-m", "celery", "-A", "worker.app", "worker", "--pool=solo", f"--queues={system.queue}"]
    worker = system.start("money", [*arguments, "--without-mingle"], away)  # forks have another end
    with BalanceClient(system.broker_url) as client, traced(GIVEN.format(1, "01")):
        client.users_upsert(idempotency_key="open", user_id=USER).get(timeout_s=60)
        for number in range(20):
            job = (JOB, {"idempotency_key": f"k{number}", "user_id": USER, "amount_kopeks": 1})
            assert client.submit(job).get(timeout_s=60).applied
    assert system.end("money", worker) == 0
    assert "Exporter already shutdown" in system.log("money"), "it was not waited for until it gave up by itself"
