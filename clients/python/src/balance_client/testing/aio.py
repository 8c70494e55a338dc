"""The client of a worker in memory for who uses AsyncBalanceClient: the same answers, awaited."""

from __future__ import annotations

from collections.abc import Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from balance_client.publishing.handles import JobHandle, Outcome
from balance_client.publishing.job_message import JobSpec
from balance_client.publishing.job_methods import JobMethods
from balance_client.testing.client import FakeBalanceClient
from models.contracts.wire.envelope import DEFAULT_PRODUCER

if TYPE_CHECKING:
    from balance_client.testing.worker import FakeWorker


class FakeAsyncJobHandle:
    """A published job. It can be awaited itself: `outcome = await handle`."""

    def __init__(self, handle: JobHandle) -> None:
        self._handle = handle
        self.name = handle.name
        self.producer = handle.producer
        self.idempotency_key = handle.idempotency_key
        self.task_id = handle.task_id

    def __repr__(self) -> str:
        return repr(self._handle)

    async def get(self, timeout_s: float | None = None) -> Outcome:
        """The outcome. Raises as JobHandle.get does, and at once, also where who awaits would wait for ever (None)."""
        return self._handle.get(0 if timeout_s is None else timeout_s)

    def __await__(self) -> Generator[Any, None, Outcome]:
        return self.get().__await__()


class FakeAsyncBalanceClient(JobMethods[Coroutine[Any, Any, FakeAsyncJobHandle]]):
    """An AsyncBalanceClient whose broker is this worker: `submit`, `submit_many`, and a method for each job.

    `sync`: the client that it is made of; what fails is set there (`client.sync.broker_away = True`).
    """

    def __init__(
        self, worker: FakeWorker | None = None, producer: str = DEFAULT_PRODUCER, *, secret: str | None = None
    ) -> None:
        self.sync = FakeBalanceClient(worker, producer, secret=secret)
        self.worker = self.sync.worker

    async def submit(self, job: JobSpec, *, want_result: bool = True) -> FakeAsyncJobHandle:
        """Publishes one job. Raises InvalidJob or PublishFailed."""
        return FakeAsyncJobHandle(self.sync.submit(job, want_result=want_result))

    async def submit_many(self, jobs: Iterable[JobSpec], *, want_result: bool = True) -> list[FakeAsyncJobHandle]:
        """Publishes many jobs in their order. Raises InvalidJob, before the first is published, or PublishFailed."""
        return [*map(FakeAsyncJobHandle, self.sync.submit_many(jobs, want_result=want_result))]

    def for_producer(self, name: str, secret: str | None = None) -> FakeAsyncBalanceClient:
        """The same worker for another producer. Raises ValueError for what can be none."""
        return FakeAsyncBalanceClient(self.worker, name, secret=secret)

    async def close(self) -> None:
        """An outcome not fetched yet can be had by publishing its job again."""
        self.sync.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
