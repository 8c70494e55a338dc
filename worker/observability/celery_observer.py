"""What Celery, its signals and Flower are told of money jobs: as if each were a task that ran alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from celery import signals
from celery.worker import state
from celery.worker.request import Request

from models.batch.outcome import Answer, StoredOutcome
from models.contracts.catalogue import CATALOGUE
from models.contracts.wire.dead_letter import DeadLetter
from models.domain.outcome import Status
from worker.clock import now


class CeleryObserver:
    """`consumer`: of the connection that the messages came over."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def received(self, request: Request) -> None:
        state.task_reserved(request)
        signals.task_received.send(sender=self._consumer, request=request)
        if request.eventer is None:
            return  # nobody wants to know: what it would be told is not made
        request.send_event(
            "task-received", name=request.name, args=request.argsrepr, kwargs=request.kwargsrepr,
            root_id=request.root_id, parent_id=request.parent_id, retries=0,
        )  # fmt: skip

    def sent_on(self, request: Request) -> None:
        state.task_ready(request)

    def started(self, requests: Sequence[Request]) -> None:
        """What `Request.on_accepted` does, for a batch: the worker's counts are brought up to date once."""
        pid, at = os.getpid(), now().timestamp()
        for request in requests:
            request.worker_pid, request.time_start = pid, at  # type: ignore[assignment]  # the stubs want a str
            state.active_requests.add(request)
            if request.eventer is not None:
                request.send_event("task-started")
        # Whatever names a publisher may think of, they are one here: the counts would grow with them.
        names = (request.name if request.name in CATALOGUE else "unknown" for request in requests)
        state.total_count.update(names)  # type: ignore[arg-type]  # a Counter, not a dict
        state.all_total_count[0] += len(requests)

    def waits(self, requests: Sequence[Request], seconds: float) -> None:
        for request in requests:
            request.send_event("task-retried", exception=f"again in {seconds:.1f} s", traceback="")

    def settled(self, answers: Sequence[tuple[Request, Answer]], seconds: float) -> None:
        for request, answer in answers:
            state.task_ready(request)  # not `successful`: Celery's memory of those is for its deduplication
            _tell(request, answer, seconds)

    def parked(self, letters: Sequence[DeadLetter], ids: Sequence[UUID]) -> None:
        """Nothing: the message is told of as one that failed, once it has its answer."""


def _tell(request: Request, answer: Answer, runtime_s: float) -> None:
    """Events for Flower, and Celery's signals."""
    if isinstance(answer, StoredOutcome):
        signals.task_success.send(sender=request.task, result=answer)
        if request.eventer is None:
            return
        code = answer.code.value if answer.status is Status.APPLIED else f"rejected: {answer.code.value}"
        code = f"{code} (replayed)" if answer.replayed else code
        request.send_event("task-succeeded", result=code, runtime=runtime_s)
    else:
        request.send_event("task-failed", exception=str(answer), traceback="")
        signals.task_failure.send(
            sender=request.task, task_id=request.id, exception=answer, args=(), kwargs={}, traceback=None, einfo=None
        )
