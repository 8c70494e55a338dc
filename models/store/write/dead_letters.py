"""Messages that could not be settled: parked, so that none is ever dropped; replayed or discarded by an operator."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.text import storable_text

_BYTES_MAX: Final = 4 * 2**20  # of bodies in one statement
_TEXT_MAX: Final = 255  # characters of what is indexed, or shown in a column
_ERROR_MAX: Final = 2_000
LETTER_MARK: Final = "balance_letter"
"""The header by which a replayed message without a key finds its letter: the second half of the letter's digest."""
# What says when, where and for whom a message was sent, and not what it asks for: it differs between repetitions.
_OF_ONE_SENDING: Final = frozenset(
    {
        *("id", "root_id", "parent_id", "group", "group_index", "origin", "shadow", "retries", "timelimit", "eta"),
        *("expires", "argsrepr", "kwargsrepr", "ignore_result", "replaced_task_nesting", "stamped_headers", "stamps"),
        LETTER_MARK,
    }
)
_MARK: Final = re.compile("[0-9a-f]{32}")
_HALF: Final = 16  # bytes of a digest that say what a message is; the others say which one of equal messages it is
_ONE_OF_THEM: Final = bytes(_HALF)
BROKER_MARKS: Final = frozenset({"redelivered", "x-delivery-count", "x-acquired-count", "x-death"})
"""Headers that a broker (for Redis: kombu) adds to a message that comes again."""
# Sorted by digest, so that workers that park the same letters do so in the same order.
_PARK: Final = text("""
    insert into dead_letters
        (id, digest, status, reason, error, task, task_id, queue, producer, idempotency_key, headers, properties, body,
         attempts, first_seen, last_seen)
    select gen_random_uuid(), digest, 'parked', reason, error, task, task_id, queue, producer, idempotency_key,
           cast(headers as json), cast(properties as json), body, attempts,
           clock.now + number * interval '1 microsecond', clock.now + number * interval '1 microsecond'
    from (select clock_timestamp() as now) as clock,
         unnest(cast(:digest as bytea[]), cast(:reason as text[]), cast(:error as text[]), cast(:task as text[]),
                cast(:task_id as text[]), cast(:queue as text[]), cast(:producer as text[]), cast(:key as text[]),
                cast(:headers as text[]), cast(:properties as text[]), cast(:body as bytea[]),
                cast(:attempts as bigint[]), cast(:number as bigint[]))
         as new (digest, reason, error, task, task_id, queue, producer, idempotency_key, headers, properties, body,
                 attempts, number)
    on conflict (digest) where status <> 'discarded' do update set
        status = 'parked', closed_at = null, attempts = dead_letters.attempts + excluded.attempts,
        last_seen = greatest(dead_letters.last_seen, excluded.last_seen),
        reason = excluded.reason, error = excluded.error, task_id = excluded.task_id, queue = excluded.queue,
        headers = excluded.headers, properties = excluded.properties
    returning digest, id
""")
# A letter that came back in the meantime has more attempts: it stays parked.
_REPLAYED: Final = text("""
    update dead_letters as letter set status = 'replayed', closed_at = clock_timestamp()
    from unnest(cast(:ids as uuid[]), cast(:attempts as bigint[])) as sent (id, attempts)
    where letter.id = sent.id and letter.attempts = sent.attempts and letter.status <> 'discarded'
""")
_EQUAL: Final = text("""
    select wanted.digest as wanted, equal.digest
    from unnest(cast(:digests as bytea[]), cast(:lasts as bytea[])) as wanted (digest, last)
    cross join lateral (
        select digest from dead_letters
        where digest between wanted.digest and wanted.last and status <> 'discarded' order by digest limit 1
    ) as equal
""")
_DISCARD: Final = text("""
    update dead_letters set status = 'discarded', closed_at = clock_timestamp(), discard_reason = :reason
    where id = any(cast(:ids as uuid[])) and status = 'parked'
""")


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
            return self._content[:_HALF] + bytes.fromhex(mark)
        if self.sending is None:
            return self._content[:_HALF] + _ONE_OF_THEM
        return self._content[:_HALF] + hashlib.sha256(self.sending.encode("utf-8", "surrogatepass")).digest()[:_HALF]

    @property
    def _content(self) -> bytes:
        lasting = {name: value for name, value in self.headers.items() if name not in _OF_ONE_SENDING | BROKER_MARKS}
        content_type = str((self.properties or {}).get("content_type"))
        parts = [(self.task or "").encode("utf-8", "surrogatepass"), content_type.encode("utf-8", "surrogatepass")]
        parts += [json.dumps(lasting, sort_keys=True).encode(), self.body]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


@dataclass(frozen=True, slots=True)
class SentLetter:
    """A letter whose message the broker has taken."""

    id: UUID
    attempts: int  # that it had when it was read: one that came back in the meantime has more


def park(connection: Connection, letters: Sequence[DeadLetter]) -> list[UUID]:
    """Keeps the messages, or counts one more where one is there. Returns the letters' ids, in their order."""
    digests = _known(connection, [letter.digest for letter in letters])
    counted: dict[bytes, tuple[int, DeadLetter]] = {}
    for number, (digest, letter) in enumerate(zip(digests, letters, strict=True)):
        before = counted[digest][1].attempts if digest in counted else 0
        counted[digest] = number, replace(letter, attempts=letter.attempts + before)
    ids: dict[bytes, UUID] = {}
    for chunk in _chunks(sorted(counted.items())):
        columns = {name: [row[name] for row in chunk] for name in chunk[0]}
        ids |= {bytes(row.digest): row.id for row in connection.execute(_PARK, columns)}
    return [ids[digest] for digest in digests]


def mark_replayed(connection: Connection, sent: Sequence[SentLetter]) -> int:
    """Closes letters that were sent again. Returns how many."""
    parameters = {"ids": [letter.id for letter in sent], "attempts": [letter.attempts for letter in sent]}
    return connection.execute(_REPLAYED, parameters).rowcount


def discard(connection: Connection, ids: Sequence[UUID], reason: str) -> int:
    """Closes those of the letters that are parked. Returns how many there were."""
    return connection.execute(_DISCARD, {"ids": list(ids), "reason": storable_text(reason)}).rowcount


def _known(connection: Connection, digests: Sequence[bytes]) -> list[bytes]:
    """The digests, those of just any of some equal messages replaced by that of one that is kept."""
    if not (unsure := {digest for digest in digests if digest.endswith(_ONE_OF_THEM)}):
        return list(digests)
    lasts = [digest[:_HALF] + b"\xff" * _HALF for digest in unsure]
    found = connection.execute(_EQUAL, {"digests": list(unsure), "lasts": lasts})
    kept = {bytes(row.wanted): bytes(row.digest) for row in found}
    return [kept.get(digest, digest) for digest in digests]


def _chunks(letters: Sequence[tuple[bytes, tuple[int, DeadLetter]]]) -> Iterator[list[dict[str, Any]]]:
    """Rows for one statement each: all of them, unless their bodies are large."""
    chunk: list[dict[str, Any]] = []
    size = 0
    for digest, (number, letter) in letters:
        if chunk and size + len(letter.body) > _BYTES_MAX:
            yield chunk
            chunk, size = [], 0
        chunk.append(_row(digest, number, letter))
        size += len(letter.body)
    if chunk:
        yield chunk


def _row(digest: bytes, number: int, letter: DeadLetter) -> dict[str, Any]:
    return {
        "digest": digest,
        "number": number,
        "reason": letter.reason,
        "error": _text(letter.error, _ERROR_MAX),
        "task": _text(letter.task),
        "task_id": _text(letter.task_id),
        "queue": _text(letter.queue),
        "producer": letter.producer,
        "key": letter.key,
        "headers": json.dumps(letter.headers),
        "properties": json.dumps(letter.properties or {}),
        "body": letter.body,
        "attempts": letter.attempts,
    }


def _text(value: str | None, length_max: int = _TEXT_MAX) -> str | None:
    """The text as the database can hold it; the headers have it whole."""
    if value is None:
        return None
    held = storable_text(value)
    return held if len(held) <= length_max else f"{held[: length_max - 1]}…"
