"""Publishers that do what docs/publishing.md asks of them: publish until told that it is accepted, under one key."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator
from threading import Event, Thread
from time import monotonic
from typing import Final

from tests.chaos.doors import CeleryDoor, Door
from tests.chaos.jobs import Job
from tests.chaos.known import Known
from tests.chaos.workload import Workload

_AGAIN_S: Final = 0.3  # before a job that was not accepted is published again
_SENT_TWICE: Final = 0.1
_TAKEN_BACK: Final = 0.03
_SETTLED_BY_THEN: Final = 3  # reversals behind: its publisher knows a job's id only from its answer


class Publisher:
    """One service: jobs at a steady rate, some of them twice, each until it is accepted."""

    def __init__(
        self, workload: Workload, seed: str, rate: float, door: Callable[[], Door], known: Known,
        job_id: Callable[[str], str | None],
    ) -> None:  # fmt: skip
        self._rate, self._door, self._known, self._job_id = rate, door, known, job_id
        self._workload = workload
        self._random = random.Random(f"{seed}/{workload.name}/repeats")
        self._later: list[tuple[float, int, Job]] = []  # when to send again, a tie-breaker, the job
        self._continued: deque[Job] = deque()
        self._ties = itertools.count()
        self._told_to_stop, self._abandoned = Event(), Event()
        # Our client sends nothing that is wrong, and asks Celery for nothing.
        self._sends_what_is_wrong = self._asks_for_more = isinstance(self._open(), CeleryDoor)
        self._thread = Thread(target=self._run, name=f"publisher {workload.name}", daemon=True)
        self.failure: BaseException | None = None

    def _open(self) -> Door:
        self._way = self._door()
        return self._way

    def start(self) -> None:
        self._thread.start()

    def finish(self, timeout_s: float) -> bool:
        """Sends what is in hand and what is still to be sent twice. Whether that succeeded in time."""
        self._told_to_stop.set()
        self._thread.join(timeout_s)
        self._abandoned.set()
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - told at the end, when the thread is asked how it went
            self.failure = error
        finally:
            self._way.close()

    def _work(self) -> None:
        due = monotonic()
        for job in self._jobs():
            self._publish(job)
            if self._random.random() < _SENT_TWICE:
                heapq.heappush(self._later, (monotonic() + self._random.uniform(0, 15), next(self._ties), job))
            while self._later and self._later[0][0] <= monotonic():
                self._publish(heapq.heappop(self._later)[2])
            if self._told_to_stop.is_set():
                break
            # What an outage held up is not caught up on in one burst: the rate is what the run was asked for.
            due = max(due + 1 / self._rate, monotonic() - 1)
            self._told_to_stop.wait(max(0.0, due - monotonic()))
        for _, _, job in self._later:
            self._publish(job)

    def _jobs(self) -> Iterator[Job]:
        for job in self._workload:
            if job.valid or self._sends_what_is_wrong:
                yield self._workload.followed(job) if self._asks_for_more else job
            taken_back = job.codes == {"applied"} and job.effect is not None and self._random.random() < _TAKEN_BACK
            if taken_back or self._workload.leads_on(job):
                self._continued.append(job)
            if len(self._continued) > _SETTLED_BY_THEN:
                oldest = self._continued.popleft()
                if (job_id := self._job_id(oldest.key)) is not None:
                    yield self._workload.sequel(oldest, job_id)

    def _publish(self, job: Job) -> None:
        while not self._abandoned.is_set():
            if self._way.publish(job):
                self._known.accept(job)
                return
            self._known.repeat()
            self._abandoned.wait(_AGAIN_S)
