"""One of the equal parts of a ledger, with tables and queues of its own."""

from __future__ import annotations

import re
from typing import Final

from models.domain.sharding.buckets import BUCKETS
from models.domain.value import value

SHARDS_MAX: Final = 256
_SCHEMA: Final = re.compile("balance_[0-9]{1,3}")


@value(frozen=True, slots=True)
class Shard:
    """Shard `number`, 0 to `count` - 1, of a ledger in `count` parts; a power of two, never changed."""

    number: int
    count: int

    def __str__(self) -> str:
        """3/16, as it is written in settings."""
        return f"{self.number}/{self.count}"

    @property
    def schema(self) -> str:
        """The PostgreSQL schema that has its tables: balance_03"""
        return schema_of(self.number, self.count)

    def of(self, bucket: int) -> int:
        """The number of the shard that a bucket is in."""
        return bucket % self.count

    def has(self, bucket: int) -> bool:
        return bucket % self.count == self.number

    def nearest(self, bucket: int) -> int:
        """The bucket itself when it is of this shard, or one that is."""
        return bucket - bucket % self.count + self.number


def schema_of(number: int, count: int) -> str:
    """The schema of a shard: its number has as many digits as the last one's, so that they sort."""
    return f"balance_{number:0{len(str(count - 1))}}"


def is_schema(name: str) -> bool:
    """Whether this is the name of a shard's schema."""
    return _SCHEMA.fullmatch(name) is not None


def parse(text: str) -> Shard:
    """The shard that is written as 3/16. Raises ValueError, which says how it is written."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and number.isascii() and count.isascii()):
        raise ValueError(f"a shard is written as NUMBER/COUNT, such as 3/16, not {text!r}")
    shard = Shard(int(number), int(count))
    if not 2 <= shard.count <= SHARDS_MAX or BUCKETS % shard.count:
        raise ValueError(f"the number of shards is a power of two from 2 to {SHARDS_MAX}, not {shard.count}")
    if shard.number >= shard.count:
        raise ValueError(f"shards are numbered from 0: the last of {shard.count} is {shard.count - 1}/{shard.count}")
    return shard
