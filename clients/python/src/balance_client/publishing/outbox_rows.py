"""What an outbox keeps of a job, wherever it keeps it, and how its relay goes on: the part that knows no database."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

from balance_client import PublishFailed
from balance_client.client import CHUNK_MAX
from balance_client.publishing.ids import new_id
from balance_client.publishing.job_message import JobMessage, JobSpec, job_message
from models.contracts.wire.envelope import DEFAULT_PRODUCER

TABLE: Final = "balance_job_outbox"
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A job that waits in the publisher's database. What it is there is the same wherever it was written."""

    job: str
    arguments: str  # JSON; decimals are strings in it
    account: str | None  # wallet:w_1 or id:0197…, for the partition; None when it is not known

    @classmethod
    def of(cls, job: JobSpec, producer: str) -> OutboxRow:
        """Raises InvalidJob for what the worker would refuse without looking at a balance."""
        message = job_message(job, producer, want_result=False)
        return cls(message.name, json.dumps(dict(message.kwargs)), message.account)

    def message(self) -> JobMessage:
        """That of a job that was valid when it was added: whether it still is, the worker says, with an answer."""
        kwargs: dict[str, Any] = json.loads(self.arguments)
        return JobMessage(
            name=self.job,
            producer=kwargs.get("producer", DEFAULT_PRODUCER),
            idempotency_key=kwargs["idempotency_key"],
            task_id=new_id(),  # each message has its own, also one that repeats a job
            kwargs=kwargs,
            want_result=False,
            account=self.account,
        )


def check_limit(limit: int) -> None:
    """Raises ValueError for what is more than a client publishes at once, or nothing."""
    if not 1 <= limit <= CHUNK_MAX:
        raise ValueError(f"limit is {limit}; allowed is 1 to {CHUNK_MAX}")


def relay_until(
    stopping: Event,
    relay: Callable[[], int],
    *,
    outbox: str,
    limit: int,
    pause_s: float,
    away: tuple[type[Exception], ...],
    after_fault: Callable[[], object] = lambda: None,
) -> None:
    """Calls `relay` until `stopping` is set, again `pause_s` after it published fewer than `limit`.

    A broker, or a database (`away`), that cannot be reached is logged as a warning and waited for, after `after_fault`;
    any other error is raised.
    """
    faults: tuple[type[Exception], ...] = (PublishFailed, *away)
    while not stopping.is_set():
        try:
            published = relay()
        except faults as error:
            _LOG.warning("%s: nothing was removed, trying again in %s s: %s", outbox, pause_s, error)
            after_fault()
            published = 0
        if published < limit:
            stopping.wait(pause_s)
