"""Messages that could not be settled: parked, so that none is ever dropped; replayed or discarded by an operator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, text

from models.contracts.replies.outcome import encode
from models.contracts.wire.dead_letter import ANY_OF_EQUAL, DIGEST_HALF, DeadLetter
from models.domain.text import storable_text
from models.store.connection import clock
from models.store.write import outbox

_BYTES_MAX: Final = 4 * 2**20  # of bodies in one statement
_TEXT_MAX: Final = 255  # characters of what is indexed, or shown in a column
_ERROR_MAX: Final = 2_000
# Sorted by digest, so that workers that park the same letters do so in the same order. What is there is locked before
# it is changed, so that one of them alone finds a letter that had been replayed; of a new one, the one that made it
# gave it its attempts. All of them are counted first: a row of `there` is to be read before it is changed.
_PARK: Final = text("""
    with there as materialized (
        select digest, status from dead_letters
        where digest = any(cast(:digest as bytea[])) and status <> 'discarded' order by digest for update
    ),
    letters as (insert into dead_letters
        (id, digest, status, reason, error, task, task_id, queue, producer, idempotency_key, headers, properties, body,
         attempts, first_seen, last_seen)
    select new.id, digest, 'parked', reason, error, task, task_id, queue, producer, idempotency_key,
           cast(headers as json), cast(properties as json), body, attempts,
           seen_at, seen_at
    from (select count(*) from there) as counted,
         unnest(cast(:digest as bytea[]), cast(:id as uuid[]), cast(:reason as text[]), cast(:error as text[]),
                cast(:task as text[]), cast(:task_id as text[]), cast(:queue as text[]),
                cast(:producer as text[]), cast(:key as text[]),
                cast(:headers as text[]), cast(:properties as text[]), cast(:body as bytea[]),
                cast(:attempts as bigint[]), cast(:seen_at as timestamptz[]))
         as new (digest, id, reason, error, task, task_id, queue, producer, idempotency_key, headers, properties, body,
                 attempts, seen_at)
    on conflict (digest) where status <> 'discarded' do update set
        status = 'parked', closed_at = null, closed_by = null,
        attempts = dead_letters.attempts + excluded.attempts,
        last_seen = greatest(dead_letters.last_seen, excluded.last_seen),
        reason = excluded.reason, error = excluded.error, task_id = excluded.task_id, queue = excluded.queue,
        headers = excluded.headers, properties = excluded.properties
    returning digest, id, last_seen, reason, error, task, queue, producer, idempotency_key, attempts)
    select letters.*, case when there.digest is null then letters.attempts = new.attempts
                           else there.status = 'replayed' end as newly
    from letters
    join unnest(cast(:digest as bytea[]), cast(:attempts as bigint[])) as new (digest, attempts) using (digest)
    left join there using (digest)
""")
# A letter that came back in the meantime has more attempts: it stays parked.
_REPLAYED: Final = text("""
    update dead_letters as letter set status = 'replayed', closed_at = statement_timestamp(), closed_by = :by
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
    update dead_letters set status = 'discarded', closed_at = statement_timestamp(), closed_by = :by,
        discard_reason = :reason
    where id = any(cast(:ids as uuid[])) and status = 'parked'
""")


@dataclass(frozen=True, slots=True)
class SentLetter:
    """A letter whose message the broker has taken."""

    id: UUID
    attempts: int  # that it had when it was read: one that came back in the meantime has more


def park(connection: Connection, letters: Sequence[DeadLetter]) -> list[UUID]:
    """Keeps the messages, or counts one more where one is there. Returns the letters' ids, in their order.

    A letter that was not parked is told of: one that merely comes again is not.
    """
    digests = _known(connection, [letter.digest for letter in letters])
    counted: dict[bytes, tuple[int, DeadLetter]] = {}
    for number, (digest, letter) in enumerate(zip(digests, letters, strict=True)):
        before = counted[digest][1].attempts if digest in counted else 0
        counted[digest] = number, replace(letter, attempts=letter.attempts + before)
    ids: dict[bytes, UUID] = {}
    told: dict[UUID, str] = {}
    for chunk in _chunks(sorted(counted.items()), clock.now(connection)):
        columns = {name: [row[name] for row in chunk] for name in chunk[0]}
        found = connection.execute(_PARK, columns).all()
        ids |= {bytes(row.digest): row.id for row in found}
        told |= {row.id: _said(row) for row in found if row.newly}
    outbox.insert_parked(connection, told)
    return [ids[digest] for digest in digests]


def mark_replayed(connection: Connection, sent: Sequence[SentLetter], by: str | None = None) -> int:
    """Closes letters that were sent again, by whom. Returns how many."""
    parameters = {"ids": [letter.id for letter in sent], "attempts": [letter.attempts for letter in sent]}
    return connection.execute(_REPLAYED, {**parameters, "by": _text(by)}).rowcount


def discard(connection: Connection, ids: Sequence[UUID], reason: str, by: str | None = None) -> int:
    """Closes those of the letters that are parked, for this reason, by whom. Returns how many there were."""
    parameters = {"ids": list(ids), "reason": storable_text(reason), "by": _text(by)}
    return connection.execute(_DISCARD, parameters).rowcount


def _known(connection: Connection, digests: Sequence[bytes]) -> list[bytes]:
    """The digests, those of just any of some equal messages replaced by that of one that is kept."""
    if not (unsure := {digest for digest in digests if digest.endswith(ANY_OF_EQUAL)}):
        return list(digests)
    lasts = [digest[:DIGEST_HALF] + b"\xff" * DIGEST_HALF for digest in unsure]
    found = connection.execute(_EQUAL, {"digests": list(unsure), "lasts": lasts})
    kept = {bytes(row.wanted): bytes(row.digest) for row in found}
    return [kept.get(digest, digest) for digest in digests]


def _chunks(letters: Sequence[tuple[bytes, tuple[int, DeadLetter]]], now: datetime) -> Iterator[list[dict[str, Any]]]:
    """Rows for one statement each: all of them, unless their bodies are large."""
    chunk: list[dict[str, Any]] = []
    size = 0
    for digest, (number, letter) in letters:
        if chunk and size + len(letter.body) > _BYTES_MAX:
            yield chunk
            chunk, size = [], 0
        chunk.append(_row(digest, number, letter, now))
        size += len(letter.body)
    if chunk:
        yield chunk


def _row(digest: bytes, number: int, letter: DeadLetter, now: datetime) -> dict[str, Any]:
    return {
        "digest": digest,
        "id": uuid4(),
        "seen_at": now + number * timedelta(microseconds=1),
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


def _said(letter: Row[Any]) -> str:
    """What the event tells of a letter, as it is now."""
    return encode(
        {
            "at": letter.last_seen,
            "reason": letter.reason,
            "error": letter.error,
            "task": letter.task,
            "queue": letter.queue,
            "producer": letter.producer,
            "idempotency_key": letter.idempotency_key,
            "attempts": letter.attempts,
        }
    )


def _text(value: str | None, length_max: int = _TEXT_MAX) -> str | None:
    """The text as the database can hold it; the headers have it whole."""
    if value is None:
        return None
    held = storable_text(value)
    return held if len(held) <= length_max else f"{held[: length_max - 1]}…"
