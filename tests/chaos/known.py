"""The known set: every job that a publisher was told is accepted, and when."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from tests.chaos.jobs import Job


@dataclass(slots=True)
class Accepted:
    job: Job
    at: datetime  # of the first confirmation
    messages: int = 1  # confirmed, with the first


@dataclass
class Known:
    """Publishers write, from their threads; the rest reads."""

    jobs: dict[str, Accepted] = field(default_factory=dict)
    unanswered: int = 0  # publishes that failed or whose answer did not come: sent again under the same key
    lock: Lock = field(default_factory=Lock)
    _times: list[datetime] = field(default_factory=list)  # of the jobs, in their order

    def accept(self, job: Job) -> None:
        with self.lock:
            known = self.jobs.get(job.key)
            if known is None:
                self._times.append(datetime.now(UTC))
                self.jobs[job.key] = Accepted(job, self._times[-1])
            else:
                known.messages += 1
        if job.then is not None and job.then.job is not None:
            self.accept(job.then.job)

    def repeat(self) -> None:
        with self.lock:
            self.unanswered += 1

    def snapshot(self) -> dict[str, Accepted]:
        with self.lock:
            return dict(self.jobs)

    def accepted_by(self, moment: datetime) -> int:
        """How many jobs."""
        with self.lock:
            return bisect_left(self._times, moment)

    @property
    def messages(self) -> int:
        with self.lock:
            return sum(each.messages for each in self.jobs.values())
