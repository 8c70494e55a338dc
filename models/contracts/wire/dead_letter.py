"""A message that could not become a job: what is kept of it, and what tells it from others.

The names of headers are those of Celery, of brokers, and one of ours.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from models.contracts.wire.travel import FORWARDED

LETTER_MARK: Final = "balance_letter"
"""The header by which a replayed message without a key finds its letter: the second half of the letter's digest."""
# What says when, where and for whom a message was sent, and not what it asks for: it differs between repetitions.
_OF_ONE_SENDING: Final = frozenset(
    {
        *("id", "root_id", "parent_id", "group", "group_index", "origin", "shadow", "retries", "timelimit", "eta"),
        *("expires", "argsrepr", "kwargsrepr", "ignore_result", "replaced_task_nesting", "stamped_headers", "stamps"),
        LETTER_MARK,
        FORWARDED,
    }
)
_MARK: Final = re.compile("[0-9a-f]{32}")
DIGEST_HALF: Final = 16
"""Bytes of a digest that say what a message is; the others say which one of equal messages it is."""
ANY_OF_EQUAL: Final = bytes(DIGEST_HALF)
"""The second half of the digest of a message that nothing tells from its equals."""
BROKER_MARKS: Final = frozenset({"redelivered", "x-delivery-count", "x-acquired-count", "x-death"})
"""Headers that a broker (for Redis: kombu) adds to a message that comes again."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is kept of a message: all that is needed to understand it and to send it again."""

    reason: str  # a stable code
    error: str  # a sentence for the operator
    task: str | None
    task_id: str | None
    queue: str | None
    headers: Mapping[str, Any]  # plain JSON values
    body: bytes
    attempts: int = 1
    properties: Mapping[str, Any] | None = None  # content type and what else travels beside the headers
    producer: str | None = None
    key: str | None = None
    sending: str | None = None  # what tells it from equal messages; None: nothing does, and it has come before

    @property
    def digest(self) -> bytes:
        """The same message is one letter, counted, however often it comes and for whatever reason it is parked.

        By its key a job is the same however often it is sent. Without one each sending is a message, equal or not.
        """
        if self.key is not None:
            return self._content
        mark = self.headers.get(LETTER_MARK)
        if isinstance(mark, str) and _MARK.fullmatch(mark):  # which merges equal messages at most, whoever wrote it
            return self._content[:DIGEST_HALF] + bytes.fromhex(mark)
        if self.sending is None:
            return self._content[:DIGEST_HALF] + ANY_OF_EQUAL
        return (
            self._content[:DIGEST_HALF]
            + hashlib.sha256(self.sending.encode("utf-8", "surrogatepass")).digest()[:DIGEST_HALF]
        )

    @property
    def _content(self) -> bytes:
        lasting = {name: value for name, value in self.headers.items() if name not in _OF_ONE_SENDING | BROKER_MARKS}
        content_type = str((self.properties or {}).get("content_type"))
        parts = [(self.task or "").encode("utf-8", "surrogatepass"), content_type.encode("utf-8", "surrogatepass")]
        parts += [json.dumps(lasting, sort_keys=True).encode(), self.body]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
