"""What a publisher gets for a job: a handle, and through it the outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from time import monotonic
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from kombu.utils.json import object_hook

from balance_client.publishing.job_message import JobMessage
from balance_client.publishing.result_reader import ResultReader
from models.domain.outcome import Status
from models.python310 import iso_time

_NO_ANSWER: Final = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
_DECODER: Final = json.JSONDecoder(parse_float=Decimal, object_hook=object_hook)
_FINAL: Final = ("SUCCESS", "FAILURE", "REVOKED")


class OutcomeTimeout(TimeoutError):
    """No outcome came in time. The job may still be applied: publish it again with the same key to learn it."""


class JobParked(Exception):
    """The worker could not settle the job and keeps its message as a dead letter. Nothing was applied.

    `reason` is what the worker said. An operator can replay the dead letter; publishing again with the same key is
    safe too.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Entry:
    """The ledger entry that the job wrote. Amounts are integers: units of 10**-scale of the account's unit."""

    id: str
    account: str  # wallet:w_1, user:42, app:shop/7
    seq: int
    amount: int
    balance_before: int
    balance_after: int
    scale: int
    created_at: datetime
    origin: str | None = None  # of credits that were added: purchased or free


@dataclass(frozen=True, slots=True)
class Error:
    """The source API's error body, and the HTTP status that it comes with."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a job: the same for ever for the same key. Numbers with a fraction are Decimals.

    `status` is "applied" or "rejected" and `code` says why (models.domain.outcome.Code). `response` is the body of the
    source API when applied; `error` is set when rejected. `raw` is the whole document, with fields that a newer worker
    may have added.
    """

    job_id: UUID
    producer: str
    idempotency_key: str
    status: str
    code: str
    replayed: bool  # the key had been answered before
    entry: Entry | None
    response: Mapping[str, Any] | None
    error: Error | None
    raw: Mapping[str, Any]
    bonus_entry: Entry | None = None  # a second entry of the same job: the bonus of a top-up, or its reversal

    @property
    def applied(self) -> bool:
        return self.status == Status.APPLIED


class PublishedJob:
    """What is known of a job that was published, and which answers are its own."""

    __slots__ = ("__weakref__", "_answer", "idempotency_key", "name", "producer", "task_id")

    def __init__(self, job: JobMessage) -> None:
        self.name = job.name
        self.producer = job.producer
        self.idempotency_key = job.idempotency_key
        self.task_id = job.task_id
        self._answer: Outcome | JobParked | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name} key={self.idempotency_key} task_id={self.task_id})"

    def _settle(self, text: str | bytes) -> Exception | None:
        """Takes what is kept under the task's id for the answer, if the job is settled. Answers why it can be none."""
        try:
            self._answer = self._answer_in(text)
        except _NO_ANSWER as error:
            return _Foreign(f"what is kept there is no answer to this job: {error!r:.200}")
        return None

    def _answer_in(self, text: str | bytes) -> Outcome | JobParked | None:
        """None: the job is not settled. Raises one of _NO_ANSWER for what somebody else has written there."""
        meta = _decoded(text)
        if meta["status"] not in _FINAL:
            return None
        if meta["status"] != "SUCCESS":
            reason = _failure(meta["result"])
            return JobParked(f"{self.name} key={self.idempotency_key} was not applied: {reason}", reason)
        outcome = outcome_of(meta["result"])
        if (outcome.producer, outcome.idempotency_key) != (self.producer, self.idempotency_key):
            raise ValueError(f"it is of {outcome.producer} key={outcome.idempotency_key}")
        return outcome

    def _answered(self) -> Outcome | None:
        """None: there is no answer yet. Raises JobParked."""
        if isinstance(self._answer, JobParked):
            raise self._answer
        return self._answer

    def _unasked(self) -> RuntimeError:
        return RuntimeError(f"{self!r} was published with want_result=False; publish it again with the same key")

    def _timeout(self, timeout_s: float, problem: Exception | None) -> OutcomeTimeout:
        why = f" ({type(problem).__name__}: {problem})" if problem else ""
        return OutcomeTimeout(
            f"no outcome of {self.name} key={self.idempotency_key} within {timeout_s} s{why}; the job may still be "
            "applied: publish it again with the same key to learn its outcome"
        )


H_co = TypeVar("H_co", bound=PublishedJob, covariant=True)


class PublishFailed(Exception, Generic[H_co]):
    """Not accepted by the broker. Publish everything again with the same keys: what did arrive is not applied twice.

    `accepted` are the jobs that the broker confirmed, `unknown` those that it may have or not, `not_sent` the rest.
    """

    def __init__(self, why: str, accepted: Sequence[H_co], unknown: Sequence[H_co], not_sent: Sequence[H_co]) -> None:
        if len(accepted) + len(unknown) + len(not_sent) == 1:
            job = unknown[0]
            text = f"{job.name} key={job.idempotency_key}: not accepted by the broker; publish again with the same key"
        else:
            text = (
                f"{len(accepted)} jobs accepted by the broker, {len(unknown)} unknown, {len(not_sent)} not sent; "
                "publish all of them again with the same keys"
            )
        super().__init__(f"{text} ({why})")
        self.accepted = tuple(accepted)
        self.unknown = tuple(unknown)
        self.not_sent = tuple(not_sent)


class JobHandle(PublishedJob):
    """A published job. Valid in the process that published it, until its client is closed."""

    __slots__ = ("_results",)

    def __init__(self, job: JobMessage, results: ResultReader | None) -> None:
        super().__init__(job)
        self._results = results
        if results is not None:
            results.expect(self, self.task_id)

    def get(self, timeout_s: float) -> Outcome:
        """Waits for the outcome, at most so many seconds; with 0 it looks once.

        Raises OutcomeTimeout (also while the result backend cannot be reached, or has what is no answer to this job),
        JobParked, and RuntimeError when no result was asked for or the client is closed. A refusal is an outcome, not
        an exception.
        """
        outcome = self._answered()
        return self._wait(timeout_s) if outcome is None else outcome

    def _wait(self, timeout_s: float) -> Outcome:
        if self._results is None:
            raise self._unasked()
        deadline = monotonic() + timeout_s
        problem: Exception | None = None
        for text in self._results.texts(self, self.task_id, deadline):
            problem = text if isinstance(text, Exception) else self._settle(text) or problem
            if (outcome := self._answered()) is not None:
                return outcome
        raise self._timeout(timeout_s, problem) from problem


class _Foreign(Exception):
    """An answer that is not this job's."""


def outcome_of(document: Mapping[str, Any]) -> Outcome:
    """The outcome that a document describes; fields it does not know stay in `raw`."""
    entry, bonus, error = document["entry"], document.get("bonus_entry"), document["error"]
    return Outcome(
        job_id=UUID(str(document["job_id"])),
        producer=document["producer"],
        idempotency_key=document["idempotency_key"],
        status=document["status"],
        code=document["code"],
        replayed=document["replayed"],
        entry=None if entry is None else entry_of(entry),
        response=document["response"],
        error=None if error is None else Error(error["status"], error["body"]),
        raw=document,
        bonus_entry=None if bonus is None else entry_of(bonus),
    )


def entry_of(document: Mapping[str, Any]) -> Entry:
    """The entry that the document of one describes."""
    known = {name: document[name] for name in Entry.__dataclass_fields__ if name in document and name != "created_at"}
    at = document["created_at"]
    return Entry(created_at=at if isinstance(at, datetime) else iso_time(at), **known)


def _decoded(text: str | bytes) -> dict[str, Any]:
    """A Celery result: {"status", "result", …}. Fractions are decimals; values that kombu marked are understood."""
    meta: dict[str, Any] = _DECODER.decode(text if isinstance(text, str) else text.decode())
    return meta


def _failure(result: Any) -> str:
    """What the worker said, of Celery's {"exc_type", "exc_message", "exc_module"}."""
    if not isinstance(result, Mapping):
        return str(result)
    message = result.get("exc_message")
    parts = message if isinstance(message, list) else [message]
    return " ".join(str(part) for part in parts) or str(result.get("exc_type"))
