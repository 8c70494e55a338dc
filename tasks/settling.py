"""Holding on until jobs are settled: transient faults are waited out, a poisoned job is found and set aside.

The steps are generators that yield the seconds to wait: the lane waits in its event loop, a sweep in its thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

import structlog
from sqlalchemy import Engine

from models.domain.commands import Job
from models.domain.decision import Limits
from models.domain.errors import Fault
from models.domain.retry import Park, RetryPolicy, decide_retry
from tasks.apply import apply, apply_free
from tasks.outcome import Outcome

_LOG: Final = structlog.get_logger(__name__)
T = TypeVar("T")
Steps = Generator[float, None, T]


class Interrupted(BaseException):
    """The process was told to stop while a sweep waited. No Exception, so that nothing swallows it."""


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
        return self._run(self.settling(jobs))

    def persist(self, action: Callable[[], T]) -> T:
        """What `action` returns, once no transient fault keeps it from returning."""
        return self._run(self.persisting(action))

    def settling(self, jobs: Sequence[Job]) -> Steps[list[Outcome | Failed]]:
        """The steps of `settle`. Jobs that fail together are applied one after the other, still in their order."""
        settled: dict[int, Outcome | Failed] = {}
        if len(jobs) > 1:
            try:
                yield from self._settling_together(dict(enumerate(jobs)), settled)
            except Exception as error:  # noqa: BLE001 - whatever it is, one of the jobs has it
                _LOG.warning("jobs.isolating", jobs=len(jobs), error=str(error), next="each job is applied on its own")
        for number, job in enumerate(jobs):
            if number not in settled:
                settled[number] = yield from self._settling_one(job)
        return [settled[number] for number in range(len(jobs))]

    def _settling_together(self, jobs: Mapping[int, Job], settled: dict[int, Outcome | Failed]) -> Steps[None]:
        """First the jobs whose accounts are free, then those that had to wait for another transaction."""
        batch = [*jobs.values()]
        outcomes = yield from self.persisting(lambda: apply_free(self.engine, batch, self.limits))
        settled |= {number: outcome for number, outcome in zip(jobs, outcomes, strict=True) if outcome is not None}
        late = {number: job for number, job in jobs.items() if number not in settled}
        if late:
            rest = [*late.values()]
            answers = yield from self.persisting(lambda: apply(self.engine, rest, self.limits))
            settled |= dict(zip(late, answers, strict=True))

    def persisting(self, action: Callable[[], T], limit: int = 1) -> Steps[T]:
        """The steps of `persist`. A fault that is not transient is raised after `limit` attempts."""
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
            yield decision.seconds

    def _settling_one(self, job: Job) -> Steps[Outcome | Failed]:
        try:
            return (yield from self.persisting(lambda: apply(self.engine, [job], self.limits)[0], self.policy.limit))
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is parked with it
            _LOG.error("job.failed", job=job.name, producer=job.producer, key=job.key, exc_info=error, next="parked")
            return Failed(job, error, self.policy.limit)

    def _run(self, steps: Steps[T]) -> T:
        while True:
            try:
                seconds = next(steps)
            except StopIteration as done:
                result: T = done.value
                return result
            self.wait(seconds)
