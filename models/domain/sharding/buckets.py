"""Buckets: the fixed number of parts into which all accounts fall by their names, and their jobs with them.

The number of partitions and of shards divides that of buckets, so that what is in one bucket is in one partition and in
one shard, whatever their number. A job's id carries the bucket of its account: where it is can be read off it.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID
from zlib import crc32

BUCKETS: Final = 1024
_SHIFT: Final = 1  # the lowest bit of an id tells it from the second one of the same job: models/domain/ids.py
BITS: Final = 11  # the lowest bits of an id that are not by chance


def bucket_of(account: str) -> int:
    """The bucket of an account, 0 to BUCKETS - 1. `account` is wallet:w_1, user:42 or app:APP/STORE.

    CRC-32 of its UTF-8 text: the hash that chooses the partition (docs/publishing.md). Never to be changed.
    """
    return crc32(account.encode()) % BUCKETS


def in_bucket(random: int, bucket: int) -> int:
    """The random part of a job's id, with the bucket in its lowest bits."""
    return random >> BITS << BITS | bucket << _SHIFT


def bucket_of_id(job_id: UUID) -> int:
    """The bucket that a job's id carries, and the ids of what it made: its charge, its hold, its grants."""
    return job_id.int >> _SHIFT & BUCKETS - 1
