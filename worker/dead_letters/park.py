"""Dead letters: what could not become a job is kept in the database, where an operator sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import Engine

from models.domain.letters import GARBAGE
from models.store.connection.session import transaction
from models.store.write import dead_letters
from models.store.write.dead_letters import DeadLetter
from worker.brokers.redis.garbage import Found
from worker.dead_letters.parked import Parked
from worker.runtime import Runtime

_LOG: Final = structlog.get_logger(__name__)


def park(engine: Engine, letters: Sequence[DeadLetter]) -> list[Parked]:
    """Keeps the letters, all or none, and returns what to answer to each. Raises TransientFault when it can't now."""
    with transaction(engine) as connection:
        ids = dead_letters.park(connection, letters)
    if len(letters) == 1:
        letter = letters[0]
        _LOG.warning(
            "message.parked", task=letter.task, reason=letter.reason, error=letter.error, letter=str(ids[0]),
            next=f"nothing was applied; see `balance-worker dead-letters show {ids[0]}`",
        )  # fmt: skip
    else:
        _LOG.warning(
            "messages.parked", messages=len(letters), letters=len(set(ids)),
            reasons=dict(Counter(letter.reason for letter in letters)),
            next="nothing of them was applied; see `balance-worker dead-letters list`",
        )  # fmt: skip
    return [
        Parked(f"{letter.reason}: {letter.error} (dead letter {letter_id}; nothing was applied)")
        for letter, letter_id in zip(letters, ids, strict=True)
    ]


def park_garbage(runtime: Runtime, found: Sequence[Found]) -> None:
    """Keeps what somebody wrote to Redis queues and is no message. The transport calls this, again when it fails."""
    park(runtime.engine, [_garbage(each) for each in found])


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
