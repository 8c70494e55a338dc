"""A request becomes a job on the queue, and its outcome the answer: never 200 before the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from balance_client import (
    AsyncBalanceClient,
    AsyncJobHandle,
    AsyncProducer,
    JobParked,
    Outcome,
    PublishFailed,
)
from models.contracts.wire.envelope import Contract
from worker.http.faces import Refused

_PUBLISH_MIN_S: Final = 2.0  # that publishing may take, however short the wait for the outcome
_RETRY_AFTER_S: Final = 1


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker has the job, and its outcome is not known yet."""

    key: str


class Door:
    """Publishes for each producer, with its secret where BALANCE_PRODUCERS names one."""

    def __init__(self, client: AsyncBalanceClient, secrets: Mapping[str, str]) -> None:
        self._client, self._secrets = client, secrets
        self._by_producer: dict[str, AsyncProducer] = {}

    async def settle(self, job: Contract, wait_s: float, *, respond_async: bool = False) -> Outcome | Accepted:
        """The outcome; Accepted when it did not come within `wait_s`, or nobody waits for it.

        Raises Refused: 503 when the broker did not take it, 500 when the worker could not settle it.
        """
        handle: AsyncJobHandle | None = None
        try:
            async with asyncio.timeout(max(wait_s, _PUBLISH_MIN_S)) as limit:
                handle = await self._client_of(job.producer).submit(job, want_result=not respond_async)
                if respond_async:
                    return Accepted(job.idempotency_key)
                if wait_s < _PUBLISH_MIN_S:
                    limit.reschedule(asyncio.get_running_loop().time() + wait_s)
                return await handle
        except PublishFailed as error:
            raise _not_published() from error
        except TimeoutError as error:
            if handle is None:
                raise _not_published() from error
            return Accepted(job.idempotency_key)
        except JobParked as parked:
            raise Refused(
                500, "parked", "The job could not be settled and is kept for an operator; nothing was applied",
                {"reason": parked.reason},
            ) from parked  # fmt: skip

    def _client_of(self, producer: str) -> AsyncProducer:
        known = self._by_producer.get(producer)
        if known is None:
            known = self._client.for_producer(producer, self._secrets.get(producer))
            self._by_producer[producer] = known
        return known


def _not_published() -> Refused:
    return Refused(
        503, "broker_away", "The job could not be published; send it again with the same key",
        headers={"Retry-After": str(_RETRY_AFTER_S)},
    )  # fmt: skip
