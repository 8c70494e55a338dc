"""What faults tell whoever watches: the log, and how this process is. Nothing else in the path writes a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from models.domain.deciding.commands import Job
from models.domain.errors import DeploymentFault, Fault
from tasks.apply.progress import Progress
from tasks.reminder import Reminder

_LOG: Final = structlog.get_logger(__name__)


class FaultObserver(Protocol):
    """Told of each fault on the path, and of what sweeps come to. It must neither wait nor raise."""

    def waiting(self, error: Exception, attempt: int, seconds: float) -> None:
        """The same is tried again after so many seconds."""

    def isolating(self, jobs: int, error: Exception) -> None:
        """One of these jobs is at fault: each is applied on its own."""

    def undecided(self, jobs: int, error: BaseException) -> None:
        """All of them failed alike: they are held, and tried again with what comes in the meantime."""

    def failed(self, job: Job, error: Exception) -> None:
        """The job is at fault itself, and is set aside."""

    def passed(self) -> None:
        """Jobs were applied, or what had failed was done after all."""

    def applied(self, jobs: Sequence[Job], outcomes: Sequence[object]) -> None:
        """Jobs of our own were settled: a StoredOutcome for each, or what kept it from having one."""


class FaultLog:
    """Lines of the log, for what lasts once a minute; and what `progress` and `counts` tell of this process."""

    def __init__(self, reminder: Reminder | None = None) -> None:
        self._reminder, self.progress = reminder or Reminder(), Progress()
        self.counts: Counter[str] = Counter()  # since its start, by what came of them

    def waiting(self, error: Exception, attempt: int, seconds: float) -> None:
        self.counts["waiting"] += 1
        next_step = error.next_step if isinstance(error, Fault) else "tried again, then parked"
        self.progress.failed(str(error), next_step)
        said = {"attempt": attempt, "seconds": round(seconds, 2), "error": str(error), "next": next_step}
        if isinstance(error, DeploymentFault):
            if self._reminder.due("jobs.held", str(error)):
                _LOG.error("jobs.held", **said)
        elif self._reminder.due("jobs.waiting", str(error)) or attempt == 1:
            _LOG.warning("jobs.waiting", **said)

    def isolating(self, jobs: int, error: Exception) -> None:
        self.counts["isolating"] += 1
        _LOG.warning("jobs.isolating", jobs=jobs, error=str(error), next="each job is applied on its own")

    def undecided(self, jobs: int, error: BaseException) -> None:
        self.counts["undecided"] += 1
        remedy = error.next_step if isinstance(error, Fault) else "mend what keeps them all from being written"
        self.progress.failed(str(error), remedy)
        if self._reminder.due("jobs.undecided", str(error)):
            _LOG.error("jobs.undecided", jobs=jobs, error=str(error), next=remedy)

    def failed(self, job: Job, error: Exception) -> None:
        self.counts["failed"] += 1
        _LOG.error("job.failed", job=job.name, producer=job.producer, key=job.key, exc_info=error, next="parked")

    def passed(self) -> None:
        self.progress.passed()

    def applied(self, jobs: Sequence[Job], outcomes: Sequence[object]) -> None:
        """Nothing: who made them tells of them."""
