"""The client of a worker in memory: all of BalanceClient but its connections."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from balance_client.client import BalanceClient, Connections
from balance_client.publishing.confirmed import NotAccepted
from balance_client.publishing.job_message import JobMessage
from balance_client.publishing.result_reader import Text
from models.contracts.wire.envelope import DEFAULT_PRODUCER

if TYPE_CHECKING:
    from balance_client.testing.worker import FakeWorker

_NOWHERE = "redis://in-memory"  # nothing connects to it


class FakeBalanceClient(BalanceClient):
    """A BalanceClient whose broker is this worker. Nothing waits: an outcome is there, or `get` raises at once.

    Set these to have something fail: `broker_away` (PublishFailed; nothing arrives), `confirms_lost` (PublishFailed,
    though the jobs arrive), `answers_lost` (OutcomeTimeout, though the jobs are settled). `worker.stop()` lets jobs
    wait, `worker.parking` has them parked.
    """

    def __init__(
        self, worker: FakeWorker | None = None, producer: str = DEFAULT_PRODUCER, *, secret: str | None = None
    ) -> None:
        if worker is None:
            from balance_client.testing import FakeWorker

            worker = FakeWorker()
        self.worker = worker
        self.broker_away = False
        self.confirms_lost = False
        self.answers_lost = False
        super().__init__(_NOWHERE, producer, secret=secret)

    def _connected(self) -> Connections:
        return _InMemory(self)


class _InMemory:
    """What a process has instead of connections: its broker and its results at once."""

    reply_to = ""

    def __init__(self, client: FakeBalanceClient) -> None:
        self.pid = os.getpid()
        self.publisher = self
        self._client = client
        self._closed = False

    def publish(self, messages: Sequence[JobMessage]) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._client.broker_away:
            raise NotAccepted("the broker is told to be away")
        self._client.worker.receive(messages)
        if self._client.confirms_lost:
            raise NotAccepted("the confirmation is told to be lost")

    def results_of(self, message: JobMessage) -> _InMemory:
        return self

    def expect(self, handle: object, task_id: str) -> None:
        pass  # the worker keeps every result

    def texts(self, handle: object, task_id: str, deadline: float) -> Iterator[Text | Exception]:
        if self._closed:
            raise RuntimeError("the client is closed")
        text = self._client.worker.result(task_id)
        if text is not None and not self._client.answers_lost:
            yield text

    def close(self) -> None:
        self._closed = True
