"""Dead letters: what could not become a job is kept in the database, where an operator sees it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from models.batch.outcome import Parked
from models.contracts.wire.dead_letter import DeadLetter
from models.domain.letters import GARBAGE
from models.store.connection.session import transaction
from models.store.write import dead_letters
from worker.brokers.redis.garbage import Found
from worker.observability.observer import Observer
from worker.observability.watchers import watchers_of
from worker.runtime import Runtime


def park(engine: Engine, letters: Sequence[DeadLetter], observer: Observer) -> list[Parked]:
    """Keeps the letters, all or none, and returns what to answer to each. Raises TransientFault when it can't now."""
    with transaction(engine) as connection:
        ids = dead_letters.park(connection, letters)
    observer.parked(letters, ids)
    return [
        Parked(f"{letter.reason}: {letter.error} (dead letter {letter_id}; nothing was applied)")
        for letter, letter_id in zip(letters, ids, strict=True)
    ]


def park_garbage(runtime: Runtime, found: Sequence[Found]) -> None:
    """Keeps what somebody wrote to Redis queues and is no message. The transport calls this, again when it fails."""
    park(runtime.engine, [_garbage(each) for each in found], watchers_of(runtime))


def _garbage(found: Found) -> DeadLetter:
    return DeadLetter(
        reason=GARBAGE,
        error="what was written to the queue is no Celery message",
        task=None,
        task_id=None,
        queue=found.queue or None,
        headers={},
        body=found.raw,
        sending=found.tag,
    )
