"""Holding on until jobs are settled: transient faults are waited out, a poisoned job is found and set aside.

Whose fault a fault is, is known by its code (models/store/connection), or by the neighbours: where they pass it is the
job's, where all fail alike it is the deployment's, and where there are none it is not known yet.

The steps are generators that yield the seconds to wait: a worker waits in its event loop, a sweep in its thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from sqlalchemy import Engine

from models.batch.outcome import StoredOutcome
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Limits
from models.domain.errors import DoubtfulFault
from models.domain.retry import Park, RetryPolicy, decide_retry
from models.store.connection.sqlstate import error_kind
from tasks.apply.faults import FaultLog, FaultObserver
from tasks.apply.path import apply, apply_uncontended

T = TypeVar("T")
Backoffs = Generator[float, None, T]


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
class Undecided:
    """A job that failed like all around it, or with nothing around it: to be applied again, best with others."""

    job: Job
    error: BaseException


Settled = StoredOutcome | Failed | Undecided


@dataclass(frozen=True, slots=True)
class RetryingApplier:
    """Applies jobs until each is answered or known to be at fault itself."""

    engine: Engine
    limits: Limits
    policy: RetryPolicy
    wait: Waiting
    random: Callable[[], float]
    faults: FaultObserver = field(default_factory=FaultLog)

    def apply(self, jobs: Sequence[Job]) -> list[StoredOutcome | Failed]:
        """An answer or a Failed for each job, in their order. Lasts as long as a transient fault does."""
        outcomes = self._run(self._apply_all(jobs))
        self.faults.applied(jobs, outcomes)
        return outcomes

    def persist(self, action: Callable[[], T]) -> T:
        """What `action` returns, once no transient fault keeps it from returning."""
        return self._run(self.persisting(action))

    def applying(self, jobs: Sequence[Job]) -> Backoffs[list[Settled]]:
        """The steps of `apply`, in one pass. Jobs that fail together are applied one after the other, in their order.

        Those that it cannot tell from the deployment are Undecided: the caller brings them again, with what has come
        in the meantime, after a pause of `policy.cap_s`.
        """
        settled: dict[int, Settled] = {}
        if len(jobs) > 1:
            try:
                yield from self._apply_together(dict(enumerate(jobs)), settled)
            except Exception as error:  # noqa: BLE001 - whatever it is, one of the jobs has it
                self.faults.isolating(len(jobs), error)
        late = [number for number in range(len(jobs)) if number not in settled]
        for number in late:
            settled[number] = yield from self._apply_one(jobs[number])
        if failed := _alike([settled[number] for number in late], passed=len(settled) > len(late)):
            self.faults.undecided(len(late), failed)
            settled |= {number: Undecided(jobs[number], failed) for number in late}
        elif jobs:
            self.faults.passed()
        return [settled[number] for number in range(len(jobs))]

    def _apply_all(self, jobs: Sequence[Job]) -> Backoffs[list[StoredOutcome | Failed]]:
        """Every job until it is decided: the sweeps bring all that there is at once, and nothing joins them."""
        decided: dict[int, StoredOutcome | Failed] = {}
        while True:
            rest = [number for number in range(len(jobs)) if number not in decided]
            again = yield from self.applying([jobs[number] for number in rest])
            decided |= {n: each for n, each in zip(rest, again, strict=True) if not isinstance(each, Undecided)}
            if len(decided) == len(jobs):
                return [decided[number] for number in range(len(jobs))]
            yield self.policy.cap_s

    def _apply_together(self, jobs: Mapping[int, Job], settled: dict[int, Settled]) -> Backoffs[None]:
        """First the jobs whose accounts are free, then those that had to wait for another transaction."""
        batch = [*jobs.values()]
        outcomes = yield from self.persisting(lambda: apply_uncontended(self.engine, batch, self.limits))
        settled |= {number: outcome for number, outcome in zip(jobs, outcomes, strict=True) if outcome is not None}
        late = {number: job for number, job in jobs.items() if number not in settled}
        if late:
            rest = [*late.values()]
            answers = yield from self.persisting(lambda: apply(self.engine, rest, self.limits))
            settled |= dict(zip(late, answers, strict=True))

    def persisting(self, action: Callable[[], T], limit: int | None = 1) -> Backoffs[T]:
        """The steps of `persist`. A fault that is not transient is raised after `limit` attempts; None: never."""
        policy, attempt = replace(self.policy, limit=sys.maxsize if limit is None else limit), 0
        while True:
            try:
                result = action()
            except Exception as error:
                attempt += 1
                decision = decide_retry(policy, attempt, error, self.random())
                if isinstance(decision, Park):
                    raise
                self.faults.waiting(error, attempt, decision.seconds)
            else:
                if attempt:
                    self.faults.passed()
                return result
            yield decision.seconds

    def _apply_one(self, job: Job) -> Backoffs[StoredOutcome | Failed]:
        try:
            return (yield from self.persisting(lambda: apply(self.engine, [job], self.limits)[0], self.policy.limit))
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is parked with it
            self.faults.failed(job, error)
            return Failed(job, error, self.policy.limit)

    def _run(self, steps: Backoffs[T]) -> T:
        while True:
            try:
                seconds = next(steps)
            except StopIteration as done:
                result: T = done.value
                return result
            self.wait(seconds)


def _alike(settled: Sequence[Settled], *, passed: bool) -> BaseException | None:
    """The error of jobs that were applied one by one, when it does not show whether it is theirs: none passed, and all
    failed by the same error of the database, or the only one by an error that can be anybody's."""
    failed = [each.error for each in settled if isinstance(each, Failed)]
    if passed or not failed or len(failed) < len(settled):
        return None
    kinds = {error_kind(error) for error in failed}
    if len(kinds) > 1 or None in kinds:
        return None
    return failed[0] if len(failed) > 1 or isinstance(failed[0], DoubtfulFault) else None
