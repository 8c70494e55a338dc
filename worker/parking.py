"""Dead letters: what could not become a job is kept in the database, where an operator sees it."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import structlog

from models.store import dead_letters
from models.store.dead_letters import DeadLetter
from models.store.session import transaction
from worker.runtime import RUNTIME

_LOG: Final = structlog.get_logger(__name__)


def park(letter: DeadLetter) -> UUID:
    """Keeps the letter, or counts one more like it, and returns its id. Raises TransientFault when it can't now."""
    with transaction(RUNTIME.engine) as connection:
        letter_id = dead_letters.park(connection, letter)
    _LOG.warning(
        "message.parked", task=letter.task, reason=letter.reason, error=letter.error, letter=str(letter_id),
        next="nothing was applied; see `balance-worker jobs parked`",
    )  # fmt: skip
    return letter_id


def park_garbage(queue: str, raw: bytes) -> None:
    """Keeps what somebody wrote to a Redis queue and is no message. The transport calls this, again when it fails."""
    park(
        DeadLetter(
            reason="garbage",
            error="what was written to the queue is no Celery message",
            task=None,
            task_id=None,
            queue=queue or None,
            headers={},
            body=raw,
        )
    )
