"""Ids, and the hashes that tie an entry to its job and to the entry before it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_COUNTER: Final = 1 << 12  # ids that one millisecond has room for in their order
_FORM: Final = 3  # of an entry's hash
_write: Final = msgspec.json.Encoder().encode


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def ids(at: datetime, count: int) -> Iterator[UUID]:
    """Of version 7: the millisecond, a counter, and chance. All are even, as ids of jobs are."""
    if count > _COUNTER:
        raise ValueError(f"a batch of {count} jobs, and not more than {_COUNTER}")
    first = microseconds(at) // 1000 << 80 | 0x7 << 76 | 0b10 << 62 | secrets.randbits(60) << 1
    for number in range(count):
        yield UUID(int=first + (number << 64))


def job_digest(
    job_id: str, fingerprint: bytes, told: int, micros: int, name: str, who: str, key: str, answer: str
) -> bytes:
    """Of an applied job that has an entry: all that its row says but the body."""
    said = (
        f"1 {job_id} {fingerprint.hex()} applied applied 0 {told} {micros}"
        f" {len(name)}:{name} {len(who)}:{who} {len(key)}:{key} {answer}"
    )
    return sha256(said.encode()).digest()


def entry_hash(
    before: bytes, account: str, seq: int, units: int, after: int, reason: str, job_id: str, micros: int, digest: bytes
) -> bytes:
    """Of an entry of a top-up that made no grant: the hash before it, what it says, and its job's digest."""
    said: list[Any] = [
        _FORM, account, seq, units, after, "credit", reason, "", [], True, job_id, None, [], None, micros,
        digest.hex(), [],
    ]  # fmt: skip
    return sha256(before + _write(said)).digest()
