"""Traces: which headers are followed, what the client sends, and that nobody pays who traces nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from balance_client.publishing.job_message import JobMessage, job_message
from balance_client.tracing import current_traceparent, traced
from models.contracts.wire.travel import PUBLISHED_AT, TRACEPARENT, sampled, trace_id
from worker.settings import rules
from worker.settings.settings import Settings
from worker.tracing.registry import tracer_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"
JOB = ("users.upsert", {"idempotency_key": "k", "user_id": 1})


@pytest.mark.parametrize("flags", ["01", "03", "ff"])
def test_a_sampled_trace_is_followed(flags: str) -> None:
    header = f"00-{TRACE}-{SPAN}-{flags}"
    assert sampled(header) == header
    assert trace_id(header) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None, 1, b"", [], {}, "", "01", GOOD.encode(), f"{GOOD}\n", f" {GOOD}", f"{GOOD}-00", GOOD.upper(), GOOD[:-1],
        f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{SPAN}-01", f"01-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-fe", f"00-{TRACE[:-1]}g-{SPAN}-01", GOOD.replace("0a", "٠a", 1),
    ],
)  # fmt: skip
def test_no_other_is(header: Any) -> None:
    assert sampled(header) is None


def headers() -> dict[str, Any]:
    message: JobMessage = job_message(JOB, "shop", want_result=False)
    return message.headers(message.body())


def test_the_client_sends_what_it_was_given_and_forgets_it() -> None:
    with traced(GOOD):
        assert headers()[TRACEPARENT] == GOOD
        with traced("garbage"):
            assert TRACEPARENT not in headers()
        assert headers()[TRACEPARENT] == GOOD
    assert TRACEPARENT not in headers()
    assert isinstance(headers()[PUBLISHED_AT], float)


def test_the_client_sends_the_span_in_which_a_job_is_made() -> None:
    with TracerProvider().get_tracer("shop").start_as_current_span("checkout"):
        context = trace.get_current_span().get_span_context()
        assert headers()[TRACEPARENT][:-3] == f"00-{context.trace_id:032x}-{context.span_id:016x}"
        with traced(GOOD):
            assert headers()[TRACEPARENT] == GOOD
    assert current_traceparent() is None
    with TracerProvider(sampler=ALWAYS_OFF).get_tracer("shop").start_as_current_span("unseen"):
        assert current_traceparent() is None


@pytest.mark.parametrize("installed", [True, False])
def test_nothing_of_it_is_loaded_where_nothing_is_traced(installed: bool) -> None:
    """Nor is it needed. redis-py loads metrics of OpenTelemetry by itself, wherever they are."""
    program = "" if installed else "import sys; sys.modules['opentelemetry'] = None\n"
    program += (
        "import sys, worker.app, worker.http.server, worker.consuming.batch_consumer, worker.webhooks.registry\n"
        "import worker.event_stream.registry, worker.observability.watchers, balance_client.client\n"
        "from balance_client.tracing import current_traceparent\n"
        "from worker.runtime import Runtime\n"
        "from worker.settings.settings import Settings\n"
        "assert Runtime(Settings()).tracer is None and current_traceparent() is None\n"
        "heavy = ('opentelemetry.sdk.trace', 'opentelemetry.exporter', 'worker.tracing.tracer')\n"
        "print(*(name for name in sys.modules if name.startswith(heavy)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_missing_extra_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(traces=True)
    assert rules.broken_rules(settings) == []
    monkeypatch.setattr(rules, "find_spec", lambda _name: None)
    assert rules.broken_rules(settings) == [
        "BALANCE_TRACES needs OpenTelemetry: pip install 'balance-worker[otel]'",
    ]
    assert tracer_of(Settings(), "any") is None
