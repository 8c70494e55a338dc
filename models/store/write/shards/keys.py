"""Keys across shards: claimed by the shard that uses one first, in the shard that the key itself leads to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Engine

from models.batch.records import Identity, StoredJob
from models.domain.deciding.commands import Job
from models.domain.sharding.place import bucket_of_key
from models.domain.sharding.shard import Shard
from models.store.connection.arrays import texts
from models.store.connection.session import transaction, wait_as_for_a_write
from models.store.write import jobs
from models.store.write.shards.elsewhere import ask, look_into


def claim(engine: Engine, shard: Shard, wanted: Mapping[Identity, int]) -> dict[Identity, int]:
    """Claims keys for buckets of this shard. Returns those that another shard has claimed, with their buckets there.

    What is claimed stays so, whatever becomes of the job: nobody can tell a claim that is left from one that is used.
    """
    found: dict[Identity, int] = {}
    taken = _ask(engine, shard, _claim, wanted)
    if old := wanted.keys() - {(producer, key) for producer, key, _ in taken}:
        known = _ask(engine, shard, _read, {identity: wanted[identity] for identity in old})
        found = {(producer, key): bucket for producer, key, bucket in known if not shard.has(bucket)}
    return found


def settled(engine: Engine, shard: Shard, number: int, asked: Collection[Job]) -> dict[Identity, StoredJob]:
    """The jobs that shard `number` has settled under the keys of these."""
    with transaction(engine) as connection:
        look_into(connection, shard, number)
        _, found = jobs.find(connection, asked)
        wait_as_for_a_write(connection)
    return found


def _ask(
    engine: Engine, shard: Shard, statement: Callable[[str], str], wanted: Mapping[Identity, int]
) -> list[tuple[Any, ...]]:
    def parameters(identities: Collection[Identity]) -> dict[str, Any]:
        return {
            "producers": texts(producer for producer, _ in identities),
            "keys": texts(key for _, key in identities),
            "buckets": [wanted[identity] for identity in identities],
        }

    return ask(engine, shard, sorted(wanted), lambda identity: bucket_of_key(*identity), statement, parameters)


@cache
def _claim(schema: str) -> str:
    return f"""
        insert into {schema}.keys (producer, key, bucket)
        select producer, key, bucket
        from unnest(%(producers)s::text[], %(keys)s::text[], %(buckets)s::smallint[]) as new (producer, key, bucket)
        on conflict do nothing
        returning producer, key, bucket
    """  # noqa: S608 - the schema's name is made of a number


@cache
def _read(schema: str) -> str:
    return f"""
        select k.producer, k.key, k.bucket
        from {schema}.keys k
        join unnest(%(producers)s::text[], %(keys)s::text[]) as wanted (producer, key)
          on k.producer = wanted.producer and k.key = wanted.key
    """  # noqa: S608 - as above
