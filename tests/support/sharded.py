"""A ledger in shards, each a schema of one database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from models.domain.sharding.buckets import bucket_of
from models.domain.sharding.shard import Shard
from models.store.connection.session import make_engine
from models.store.schema import migrations
from tests.support.coherence import assert_ledger_is_coherent


@contextmanager
def shards_of(database_url: str, count: int) -> Iterator[list[Engine]]:
    """The engines of all shards, shard 0 first, of tables that are migrated. Each ledger is coherent in the end."""
    engines = [make_engine(database_url, schema=Shard(number, count).schema) for number in range(count)]
    try:
        for number, engine in enumerate(engines):
            migrations.make_schema(engine, Shard(number, count).schema)
            migrations.upgrade(engine)
        yield engines
        for engine in engines:
            assert_ledger_is_coherent(engine)
    finally:
        for engine in engines:
            engine.dispose()


def users_of(shard: Shard, many: int) -> list[int]:
    """Ids of users whose accounts are of this shard, the lowest first."""
    found: list[int] = []
    user_id = 0
    while len(found) < many:
        user_id += 1
        if shard.has(bucket_of(f"user:{user_id}")):
            found.append(user_id)
    return found
