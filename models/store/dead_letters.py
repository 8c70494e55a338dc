"""Messages that could not be settled: parked, so that none is ever dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.idempotency import canonical

_PARK: Final = text("""
    insert into dead_letters
        (id, digest, reason, task, task_id, queue, headers, body, error, attempts, first_seen, last_seen)
    values (gen_random_uuid(), :digest, :reason, :task, :task_id, :queue, cast(:headers as jsonb), :body, :error,
            :attempts, clock_timestamp(), clock_timestamp())
    on conflict (digest) do update set
        attempts = dead_letters.attempts + excluded.attempts, last_seen = excluded.last_seen, error = excluded.error,
        task_id = excluded.task_id
    returning id
""")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is kept of a message: all that is needed to understand it and to send it again."""

    reason: str  # a stable code
    error: str  # a sentence for the operator
    task: str | None
    task_id: str | None
    queue: str | None
    headers: Mapping[str, Any]
    body: bytes
    attempts: int = 1

    @property
    def digest(self) -> bytes:
        """The same message for the same reason is one letter, counted, however often it comes."""
        parts = [self.reason.encode(), (self.task or "").encode(), self.body]
        return hashlib.sha256(b"\x00".join(hashlib.sha256(part).digest() for part in parts)).digest()


def park(connection: Connection, letter: DeadLetter) -> UUID:
    """Keeps the message, or counts one more of its kind. Returns the letter's id."""
    parameters = {
        "digest": letter.digest,
        "reason": letter.reason,
        "task": letter.task,
        "task_id": letter.task_id,
        "queue": letter.queue,
        "headers": canonical(letter.headers),
        "body": letter.body,
        "error": letter.error,
        "attempts": letter.attempts,
    }
    letter_id: UUID = connection.execute(_PARK, parameters).scalar_one()
    return letter_id
