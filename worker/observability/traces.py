"""Spans of jobs: one for each message that is part of a trace, and one for its batch, with links to them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from celery.worker.request import Request

from models.batch.outcome import Answer, StoredOutcome
from models.contracts.wire.dead_letter import DeadLetter
from worker.tracing.tracer import Span, Tracer


class JobTraces:
    """An observer of messages (worker/observability/observer.py). A job's span begins when it is understood, in
    worker/consuming/delivery.py: events carry it on. One of a message that goes back to the broker is not told."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._batch: Span | None = None

    def received(self, request: Request) -> None:
        """Nothing: its span has begun."""

    def sent_on(self, request: Request) -> None:
        if (span := _span_of(request)) is not None:
            span.end({"balance.code": "sent on"})

    def started(self, requests: Sequence[Request]) -> None:
        if spans := [span for request in requests if (span := _span_of(request)) is not None]:
            self._batch = self._tracer.begin("batch", "internal", None, {"balance.jobs": len(requests)}, spans)

    def waits(self, requests: Sequence[Request], seconds: float) -> None:
        """Nothing: that it took so long is in the span."""

    def settled(self, answers: Sequence[tuple[Request, Answer]], seconds: float) -> None:
        for request, answer in answers:
            if (span := _span_of(request)) is not None:
                _end(span, answer)
        if self._batch is not None:
            self._batch.end()
            self._batch = None

    def parked(self, letters: Sequence[DeadLetter], ids: Sequence[UUID]) -> None:
        """Nothing: a span ends with its message."""


def _span_of(request: Request) -> Span | None:
    span: Span | None = getattr(request, "span", None)
    return span


def _end(span: Span, answer: Answer) -> None:
    if isinstance(answer, StoredOutcome):
        code, job_id = answer.code.value, str(answer.job_id)
        span.end({"balance.code": code, "balance.job_id": job_id, "balance.replayed": answer.replayed})
    else:
        span.end({"balance.code": "parked"}, error=str(answer))
