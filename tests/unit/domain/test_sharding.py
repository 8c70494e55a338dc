"""Buckets and shards: one hash for partitions and shards, and ids that say where their account is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balance_client.routing import PARTITIONS_MAX, partition_of
from models.domain.ids import second_id, uuid7
from models.domain.sharding.buckets import BUCKETS, bucket_of, bucket_of_id, in_bucket
from models.domain.sharding.shard import SHARDS_MAX, Shard, parse, schema_of
from tests.unit.domain.test_ids import AT

POWERS = [2**power for power in range(1, 9)]


@given(account=st.text(max_size=40), count=st.sampled_from(POWERS))
def test_what_is_in_one_bucket_is_in_one_partition_and_in_one_shard(account: str, count: int) -> None:
    if not account.isprintable():
        account = repr(account)
    bucket = bucket_of(account)
    assert 0 <= bucket < BUCKETS
    assert partition_of(account, count) % count == Shard(0, count).of(bucket)
    for partitions in (count, 2 * count, 1024):
        assert partition_of(account, partitions) % count == Shard(0, count).of(bucket)


@given(st.integers(0, BUCKETS - 1), st.integers(0, 2**62 - 1), st.integers(0, 4095))
def test_an_id_carries_its_bucket_and_so_does_the_second_one_of_its_job(bucket: int, random: int, place: int) -> None:
    made = uuid7(AT, place, in_bucket(random, bucket))
    assert bucket_of_id(made) == bucket_of_id(second_id(made)) == bucket
    assert made.int % 2 == 0
    assert made.version == 7
    assert made.int >> 64 == uuid7(AT, place, 0).int >> 64, "it sorts as before"


@pytest.mark.parametrize("count", POWERS)
def test_a_shard_is_written_as_it_is_read_and_their_schemas_sort(count: int) -> None:
    shards = [Shard(number, count) for number in range(count)]
    assert [parse(str(shard)) for shard in shards] == shards
    schemas = [shard.schema for shard in shards]
    assert schemas == sorted(set(schemas)) == [schema_of(number, count) for number in range(count)]
    assert all(sum(shard.has(bucket) for shard in shards) == 1 for bucket in range(BUCKETS))


@pytest.mark.parametrize(
    "written",
    ["", "3", "3/", "/16", "16/16", "-1/16", "3/0", "0/1", "3/12", "3/512", "3/16/2", " 3/16", "3 / 16", "³/16", "a/b"],
)
def test_anything_else_is_refused_with_a_word(written: str) -> None:
    with pytest.raises(ValueError, match="shard"):
        parse(written)


def test_no_more_shards_than_partitions() -> None:
    assert SHARDS_MAX <= PARTITIONS_MAX
