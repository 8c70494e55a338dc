"""Holding on until jobs are settled: transient faults are waited out, a poisoned job is found and set aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

import structlog
from sqlalchemy import Engine

from models.domain.commands import Job
from models.domain.decision import Limits
from models.domain.errors import Fault
from models.domain.retry import Park, RetryPolicy, decide_retry
from tasks.apply import apply
from tasks.outcome import Outcome

_LOG: Final = structlog.get_logger(__name__)
T = TypeVar("T")


class Interrupted(BaseException):
    """The process was told to stop while it waited: the messages go back. No Exception, so that nothing swallows it."""


class Waiting(Protocol):
    """Waits so many seconds; raises Interrupted when the process has been told to stop."""

    def __call__(self, seconds: float, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that kept failing by a fault of its own: to be parked."""

    job: Job
    error: BaseException
    attempts: int


@dataclass(frozen=True, slots=True)
class Settler:
    """Applies jobs until each is answered or known to be at fault itself."""

    engine: Engine
    limits: Limits
    policy: RetryPolicy
    wait: Waiting
    random: Callable[[], float]

    def settle(self, jobs: Sequence[Job]) -> list[Outcome | Failed]:
        """An answer or a Failed for each job, in their order. Lasts as long as a transient fault does."""
        if len(jobs) > 1:
            try:
                return list(self.persist(lambda: apply(self.engine, jobs, self.limits)))
            except Exception as error:  # noqa: BLE001 - whatever it is, one of the jobs has it
                _LOG.warning("jobs.isolating", jobs=len(jobs), error=str(error), next="each job is applied on its own")
        return [self._settle_one(job) for job in jobs]

    def _settle_one(self, job: Job) -> Outcome | Failed:
        try:
            return self.persist(lambda: apply(self.engine, [job], self.limits)[0], self.policy.limit)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is parked with it
            _LOG.error("job.failed", job=job.name, producer=job.producer, key=job.key, exc_info=error, next="parked")
            return Failed(job, error, self.policy.limit)

    def persist(self, action: Callable[[], T], limit: int = 1) -> T:
        """What `action` returns. A transient fault is waited out; any other is raised after `limit` attempts."""
        policy, attempt = replace(self.policy, limit=limit), 0
        while True:
            try:
                return action()
            except Exception as error:
                attempt += 1
                decision = decide_retry(policy, attempt, error, self.random())
                if isinstance(decision, Park):
                    raise
                _LOG.warning(
                    "jobs.waiting",
                    attempt=attempt,
                    seconds=round(decision.seconds, 2),
                    error=str(error),
                    next=error.next_step if isinstance(error, Fault) else "tried again, then parked",
                )
                self.wait(decision.seconds)
