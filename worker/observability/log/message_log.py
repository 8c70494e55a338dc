"""The log's lines of jobs: one a batch, and one a job for who debugs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import structlog
from celery.worker.request import Request

from models.batch.outcome import Answer, StoredOutcome
from models.contracts.wire.dead_letter import DeadLetter
from models.contracts.wire.travel import trace_id
from models.domain.accounts import AccountKey
from models.domain.deciding.commands import Job
from models.domain.outcome import Status

_LOG: Final = structlog.get_logger(__name__)
_LEVELS: Final = logging.getLogger(__name__)


class MessageLog:
    """Faults have lines of their own (tasks/apply/faults.py). Where nothing is to be written nothing is made."""

    def received(self, request: Request) -> None:
        """Nothing: it has its line when it is settled."""

    def sent_on(self, request: Request) -> None:
        """Nothing: worker/consuming/forwarding.py tells of them."""

    def started(self, requests: Sequence[Request]) -> None:
        """Nothing."""

    def waits(self, requests: Sequence[Request], seconds: float) -> None:
        """Nothing: the fault has been told."""

    def settled(self, answers: Sequence[tuple[Request, Answer]], seconds: float) -> None:
        if not answers or not _LEVELS.isEnabledFor(logging.INFO):
            return
        outcomes = [answer for _, answer in answers if isinstance(answer, StoredOutcome)]
        kinds = Counter("replayed" if outcome.replayed else outcome.status for outcome in outcomes)
        _LOG.info(
            "jobs.settled", jobs=len(answers), applied=kinds[Status.APPLIED], replayed=kinds["replayed"],
            rejected=kinds[Status.REJECTED], parked=len(answers) - len(outcomes),
            codes=dict(Counter(outcome.code.value for outcome in outcomes)), ms=round(seconds * 1000, 1),
            **_which(answers),
        )  # fmt: skip
        if _LEVELS.isEnabledFor(logging.DEBUG):
            for request, answer in answers:
                _LOG.debug("job.settled", **_identity(request, answer), code=_code(answer))

    def parked(self, letters: Sequence[DeadLetter], ids: Sequence[UUID]) -> None:
        if len(letters) == 1:
            letter = letters[0]
            _LOG.warning(
                "message.parked", task=letter.task, reason=letter.reason, error=letter.error, letter=str(ids[0]),
                next=f"nothing was applied; see `balance-worker dead-letters show {ids[0]}`",
            )  # fmt: skip
        else:
            _LOG.warning(
                "messages.parked", messages=len(letters), letters=len(set(ids)),
                reasons=dict(Counter(letter.reason for letter in letters)),
                next="nothing of them was applied; see `balance-worker dead-letters list`",
            )  # fmt: skip


def _which(answers: Sequence[tuple[Request, Answer]]) -> dict[str, Any]:
    """The job, when there is one; else the first and the last by their task ids."""
    if len(answers) == 1:
        return _identity(*answers[0])
    return {"first": str(answers[0][0].id), "last": str(answers[-1][0].id)}


def _identity(request: Request, answer: Answer) -> dict[str, Any]:
    """All by which a job is found. What it does not have is left out: a parked message is no job."""
    asked = getattr(request, "asked", None)
    found: dict[str, Any] = {"job": request.name, "task_id": str(request.id)}
    if isinstance(answer, StoredOutcome):
        found["job_id"] = str(answer.job_id)
    if (traceparent := getattr(request, "traceparent", None)) is not None:
        found["trace_id"] = trace_id(traceparent)
    if isinstance(asked, Job):
        found |= {"producer": asked.producer, "key": asked.key}
        target = getattr(asked.command, "target", None)
        if isinstance(target, AccountKey):
            found["account"] = str(target)
    return found


def _code(answer: Answer) -> str:
    if not isinstance(answer, StoredOutcome):
        return "parked"
    return f"{answer.code.value} (replayed)" if answer.replayed else answer.code.value
