"""Messages and batches, counted as they are settled: a bump a batch for most of it, and no wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from celery.worker.request import Request

from models.batch.outcome import Answer, StoredOutcome
from models.contracts.wire.dead_letter import DeadLetter
from models.contracts.wire.envelope import DEFAULT_PRODUCER
from worker.encoding.published import published_at
from worker.ledger_clock import LEDGER_CLOCK
from worker.metrics import catalogue
from worker.metrics.labels import ProducerLabels, job_label
from worker.metrics.process_metrics import ProcessMetrics

_AGE_MAX_S: Final = 30 * 86_400  # who claims more has a wrong clock, or means harm to the sum


class MessageMetrics:
    """An observer of messages (worker/observability/observer.py)."""

    def __init__(self, metrics: ProcessMetrics, producers: ProducerLabels) -> None:
        self._producers = producers
        self._jobs = metrics.counter(catalogue.JOBS)
        self._letters = metrics.counter(catalogue.LETTERS)
        self._apply = metrics.histogram(catalogue.APPLY)
        self._published = metrics.histogram(catalogue.PUBLISHED)
        self._batch = metrics.histogram(catalogue.BATCH)

    def received(self, request: Request) -> None:
        """Nothing: it is counted when it is settled."""

    def sent_on(self, request: Request) -> None:
        """Nothing: what is sent on has a count of its own."""

    def started(self, requests: Sequence[Request]) -> None:
        """Nothing."""

    def waits(self, requests: Sequence[Request], seconds: float) -> None:
        """Nothing: the fault is counted."""

    def settled(self, answers: Sequence[tuple[Request, Answer]], seconds: float) -> None:
        if not answers:
            return
        for labels, count in Counter(self._labels(request, answer) for request, answer in answers).items():
            self._jobs.labels(*labels).inc(count)
        self._apply.observe(seconds)
        self._batch.observe(len(answers))
        at = LEDGER_CLOCK.now().timestamp()
        for request, _ in answers:
            message: Any = request.message
            published = published_at(message.headers, message.properties)
            if published is not None and (age_s := at - published) <= _AGE_MAX_S:
                self._published.observe(max(0.0, age_s))

    def parked(self, letters: Sequence[DeadLetter], ids: Sequence[UUID]) -> None:
        for reason, count in Counter(letter.reason for letter in letters).items():
            self._letters.labels(reason).inc(count)

    def _labels(self, request: Request, answer: Answer) -> tuple[str, str, str, str]:
        given = request.kwargs
        name = given.get("producer", DEFAULT_PRODUCER) if isinstance(given, dict) else None
        job, producer = job_label(request.name), self._producers.label(name)
        if isinstance(answer, StoredOutcome):
            return job, answer.code.value, producer, "true" if answer.replayed else "false"
        return job, "parked", producer, "false"
