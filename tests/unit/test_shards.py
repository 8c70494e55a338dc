"""Shards and brokers by partition: what settings allow, which queues follow, and where each job goes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balance_client import BalanceClient
from balance_client import publishers as publishers_of_several
from balance_client.brokers.by_partition import broker_of_each, brokers_in
from balance_client.publishers import Publishers
from balance_client.publishing.confirmed import NotAccepted
from balance_client.publishing.job_message import job_message
from balance_client.publishing.outbox_rows import OutboxRow
from balance_client.routing import known_by_id, partition_of, placed, queue_of
from models.contracts.message import Malformed, parse
from models.contracts.wire.travel import FORWARDED
from models.domain.ids import uuid7
from models.domain.sharding.buckets import BUCKETS, bucket_of, in_bucket
from models.domain.sharding.place import bucket_of_key
from models.domain.sharding.shard import Shard
from tests.support.documents import blocks_of
from worker.consuming.placement import hops_of, queue_elsewhere, queue_of_telegram_user, shard_of
from worker.settings.child import given as as_variables
from worker.settings.settings import Settings, SettingsError, load_settings

OF_THREE = Settings(shard="3/4", partitions=8)
AT = datetime(2027, 1, 31, tzinfo=UTC)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    load_settings.cache_clear()
    return monkeypatch


def _refusal(environment: pytest.MonkeyPatch, **values: str) -> str:
    for name, value in values.items():
        environment.setenv(f"BALANCE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


def test_a_shard_has_a_schema_and_queues_of_its_own(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN NOTHING-----")
    for name, value in {"SHARD": "3/4", "PARTITIONS": "8", "ANCHOR_TO": "/mnt/ledger.anchors"}.items():
        environment.setenv(f"BALANCE_{name}", value)
    environment.setenv("BALANCE_ANCHOR_KEY", str(key))
    settings = load_settings()
    load_settings.cache_clear()
    assert settings.shard == Shard(3, 4)
    assert settings.schema_name == "balance_3"
    assert settings.tick_queue == "balance.io.3"
    assert settings.partition_queues == ["balance.3", "balance.7"]
    assert settings.money_queues == {"balance", *(f"balance.{number}" for number in range(8))}
    assert settings.own_queues == settings.money_queues | {"balance.io", *(f"balance.io.{each}" for each in range(4))}
    assert settings.anchor_place == "/mnt/ledger.anchors.balance_3"
    assert as_variables(settings)["BALANCE_SHARD"] == "3/4", "child processes are of the same shard"


def test_without_shards_all_is_as_it_was() -> None:
    settings = Settings(partitions=6)
    assert (settings.shard, settings.schema_name, settings.tick_queue) == (None, None, "balance.io")
    assert settings.partition_queues == settings.every_partition_queue == [f"balance.{each}" for each in range(6)]
    assert settings.own_queues == settings.money_queues | {"balance.io"}


@pytest.mark.parametrize(
    ("place", "anchors"), [("-", "-"), ("s3://audit/ledger/", "s3://audit/ledger/balance_3"), ("a", "a.balance_3")]
)
def test_anchors_of_shards_lie_beside_each_other(place: str, anchors: str, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN NOTHING-----")
    wanted = {"shard": "3/4", "partitions": 8, "anchor_to": place, "anchor_key": str(key)}
    assert Settings(**wanted).anchor_place == anchors  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"SHARD": "16"}, "BALANCE_SHARD is '16'; a shard is written as NUMBER/COUNT, such as 3/16, not '16'."),
        ({"SHARD": "3/12"}, "BALANCE_SHARD is '3/12'; the number of shards is a power of two from 2 to 256, not 12."),
        ({"SHARD": "4/4"}, "BALANCE_SHARD is '4/4'; shards are numbered from 0: the last of 4 is 3/4."),
        (
            {"SHARD": "3/16"},
            "BALANCE_PARTITIONS is 0; with BALANCE_SHARD 3/16 it must be a multiple of 16 that divides 1024, so that "
            "each partition is of one shard: 16, 32, 64, 128, 256.",
        ),
        ({"SHARD": "3/16", "PARTITIONS": "8"}, "BALANCE_PARTITIONS is 8; with BALANCE_SHARD 3/16 it must be"),
        ({"SHARD": "3/16", "PARTITIONS": "48"}, "BALANCE_PARTITIONS is 48; with BALANCE_SHARD 3/16 it must be"),
        ({"SHARD": "0/2", "PARTITIONS": "2", "IO_QUEUE": "balance"}, "BALANCE_IO_QUEUE must differ"),
        ({"BROKERS": '{"0-7": "redis://a"}'}, "BALANCE_BROKERS: brokers by partition need partitions"),
        (
            {"BROKERS": '{"0-2": "redis://a"}', "PARTITIONS": "4"},
            "BALANCE_BROKERS: no broker for partitions 3: each of 0-3 needs one.",
        ),
        ({"BROKERS": "nowhere", "PARTITIONS": "4"}, "BALANCE_BROKERS: is neither a JSON object such as"),
    ],
)
def test_what_cannot_work_is_told(environment: pytest.MonkeyPatch, values: dict[str, str], sentence: str) -> None:
    assert _refusal(environment, **values).startswith(sentence)


URLS = {"0-1": "redis://a", "2": "amqp://b//", "3-3": "redis://c"}


def test_each_partition_has_the_broker_of_its_range() -> None:
    assert broker_of_each(URLS, 4) == ["redis://a", "redis://a", "amqp://b//", "redis://c"]


@pytest.mark.parametrize(
    ("brokers", "says"),
    [
        ({}, "no broker for partitions 0, 1, 2, 3"),
        ({"0-2": "redis://a", "2-3": "redis://b"}, "partition 2 has two brokers"),
        ({"0-4": "redis://a"}, "0-4 is no range of the partitions 0-3"),
        ({"3-0": "redis://a"}, "3-0 is no range"),
        ({"a": "redis://a"}, "'a' is no range of partitions: write 8, or 0-7"),
        ({"0-3": "ftp://:hunter2@a"}, "the broker of 0-3: its URL is none of a broker"),
        ({"0-3": "redis://:hunter2@a,b"}, "the broker of 0-3"),
    ],
)
def test_a_map_of_brokers_that_leaves_something_open_is_refused(brokers: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        broker_of_each(brokers, 4)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValueError, match=f"brokers: .*{says}"):
        BalanceClient("redis://main", partitions=4, brokers=brokers)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"0": "redis://a", "0": "redis://b"}', "0 stands there twice"),
        ('{"0": 1}', "must be an object of URLs by ranges"),
        ("{", "is not JSON"),
    ],
)
def test_what_is_no_map_of_brokers(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        brokers_in(text)


def test_a_map_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "brokers.json").write_text(json.dumps(URLS))
    assert brokers_in(str(tmp_path / "brokers.json")) == URLS


def test_the_processes_of_the_guide_take_from_the_queues_of_their_shard() -> None:
    [shown] = [block.script for block in blocks_of("docs/scale.md") if "celery" in block.script]
    exported = dict(word.split("=") for word in shown.splitlines()[0].split()[1:])
    settings = Settings(shard=exported["BALANCE_SHARD"], partitions=int(exported["BALANCE_PARTITIONS"]))
    taken = re.findall(r" -Q (\S+)", shown)
    assert taken == [",".join((settings.queue, *settings.partition_queues)), settings.tick_queue]
    assert (settings.shard, settings.partitions) == (Shard(3, 16), 16)


def test_the_client_of_the_guide_knows_both_brokers() -> None:
    [shown] = [block.text for block in blocks_of("docs/scale.md") if "brokers=" in block.text]
    names: dict[str, Any] = {"BalanceClient": BalanceClient}
    exec(shown, names)
    client = names["client"]
    assert client._connecting.urls == ["redis://broker-a:6379/0", "redis://broker-b:6379/0"]
    assert client._connecting.broker_of("wallet:w_1") == "redis://broker-a:6379/0"  # partition 2
    assert client._connecting.broker_of("wallet:кошелёк") == "redis://broker-b:6379/0"  # partition 8
    assert client._connecting.broker_of(None) == "redis://broker-a:6379/0"


@given(account=st.text(min_size=1, max_size=20), partitions=st.sampled_from([1, 2, 16, 256]))
def test_what_a_job_made_is_found_where_its_account_is(account: str, partitions: int) -> None:
    name = f"wallet:{account}"
    job_id = uuid7(AT, 7, in_bucket(2**61 + 12345, bucket_of(name)))
    assert placed(known_by_id(job_id), partitions) == placed(name, partitions) == partition_of(name, partitions)


def test_an_id_says_nothing_where_partitions_do_not_divide_the_buckets() -> None:
    assert BUCKETS % 6
    assert queue_of(known_by_id(UUID(int=5)), "balance", 6) == "balance"
    assert queue_of(known_by_id(UUID(int=5)), "balance", 0) == "balance"
    assert queue_of("user:1", "balance", 6) == f"balance.{partition_of('user:1', 6)}"


JOB = "0197d9c4-7b3c-7a3d-8e4f-00000000003e"  # bucket 31
BY_ID = [
    ("entries.reverse", {"job_id": JOB}),
    ("holds.capture", {"job_id": JOB}),
    ("holds.release", {"job_id": JOB}),
    ("charges.settle", {"charge_id": JOB, "status": "succeeded"}),
]


@pytest.mark.parametrize(("name", "arguments"), BY_ID)
def test_a_job_that_names_another_goes_to_its_partition_also_out_of_an_outbox(
    name: str, arguments: dict[str, Any]
) -> None:
    asked = (name, {"idempotency_key": "k", **arguments})
    message = job_message(asked, "billing", want_result=False)
    assert message.account == f"id:{JOB}"
    assert queue_of(message.account, "balance", 16) == "balance.15"
    assert OutboxRow.of(asked, "billing").message().account == message.account
    job = parse(name, {"idempotency_key": "k", **arguments})
    assert shard_of(job, Shard(0, 4)) == 3
    assert queue_elsewhere(job, {}, Settings(shard="0/4", partitions=16)) == "balance.15"
    assert queue_elsewhere(job, {}, Settings(shard="3/4", partitions=16)) is None


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("users.update_balance", {"telegram_id": 7, "amount_kopeks": 1}, "the directory knows, later"),
        (
            "webhooks.add",
            {"name": "n", "url": "https://example.com/hook"},
            "an endpoint is of the shard that is asked for it",
        ),
    ],
)
def test_what_names_no_account_stays(name: str, arguments: dict[str, Any], why: str) -> None:
    job = parse(name, {"idempotency_key": "k", **arguments})
    assert shard_of(job, Shard(0, 4)) is None, why
    assert queue_elsewhere(job, {}, OF_THREE) is None


@pytest.mark.parametrize("key", ["k", "l", "m", "n"])
def test_what_cannot_be_understood_is_refused_by_one_shard_whoever_reads_it(key: str) -> None:
    job = parse("users.update_balance", {"idempotency_key": key, "amount_kopeks": "much"})
    wanted = {shard_of(job, Shard(number, 4)) for number in range(4)}
    assert wanted == {Shard(0, 4).of(bucket_of_key("default", key))}


def test_an_endpoint_is_changed_in_the_shard_that_it_was_added_to() -> None:
    job = parse("webhooks.disable", {"idempotency_key": "k", "endpoint_id": JOB})
    assert shard_of(job, Shard(0, 4)) == 3


def test_a_user_named_by_telegram_id_is_where_the_directory_says() -> None:
    job = parse("users.update_balance", {"idempotency_key": "k", "telegram_id": 7, "amount_kopeks": 1})
    settings = Settings(shard="0/4", partitions=16)
    assert queue_of_telegram_user(job, {}, settings, {7: 13}) == "balance.13"
    assert queue_of_telegram_user(job, {}, settings, {7: 12}) is None
    assert queue_of_telegram_user(job, {}, settings, {}) == "balance.7", "nobody has it: the id itself leads there"
    with pytest.raises(Malformed, match="sent on 3 times"):
        queue_of_telegram_user(job, {FORWARDED: 3}, settings, {7: 13})
    assert queue_of_telegram_user(job, {}, Settings(), {7: 13}) is None


@given(st.integers(1, 2_000), st.sampled_from([(2, 2), (2, 16), (16, 64)]))
def test_a_job_is_sent_to_a_partition_that_its_own_shard_takes_from(user: int, sizes: tuple[int, int]) -> None:
    count, partitions = sizes
    job = parse("users.upsert", {"idempotency_key": "k", "user_id": user})
    found = {queue_elsewhere(job, {}, _settings(number, count, partitions)) for number in range(count)}
    [queue] = found - {None}
    own = Shard(0, count).of(bucket_of(f"user:{user}"))
    assert queue in _settings(own, count, partitions).partition_queues
    assert queue_elsewhere(job, {}, _settings(own, count, partitions)) is None
    assert queue == queue_of(f"user:{user}", "balance", partitions), "where a client that knows them publishes it"


def _settings(number: int, count: int, partitions: int) -> Settings:
    return Settings(shard=f"{number}/{count}", partitions=partitions)


@pytest.mark.parametrize("headers", [{FORWARDED: 3}, {FORWARDED: "1"}, {FORWARDED: -1}, {FORWARDED: 10**9}])
def test_no_loop(headers: dict[str, Any]) -> None:
    user = next(each for each in range(1, 99) if not Shard(3, 4).has(bucket_of(f"user:{each}")))
    job = parse("users.upsert", {"idempotency_key": "k", "user_id": user})
    assert hops_of({}) == 0
    assert queue_elsewhere(job, {FORWARDED: 2}, OF_THREE) is not None
    with pytest.raises(Malformed, match="then replay this letter") as caught:
        queue_elsewhere(job, headers, OF_THREE)
    assert caught.value.reason == "misrouted"


class _Broker:
    """Notes what it is sent; refuses what it is told to."""

    def __init__(self, refuses: NotAccepted | None = None) -> None:
        self.refuses, self.taken = refuses, list[str]()

    def send_once(self, addressed: Sequence[tuple[str, Any]]) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.taken += [f"{queue}:{message}" for queue, message in addressed]

    def close(self) -> None:
        self.taken.append("closed")


def test_each_broker_gets_its_own_in_order_and_one_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishers_of_several, "Publisher", _Broker)
    main, away, full = _Broker(), _Broker(NotAccepted("away")), _Broker(NotAccepted("full", refused=frozenset({1})))
    publishers: Any = Publishers(main, {"q.0": main, "q.1": away, "q.2": full})  # type: ignore[dict-item,arg-type]
    with pytest.raises(NotAccepted, match="full") as caught:
        publishers.send_once([("q.2", 0), ("q", 1), ("q.1", 2), ("q.2", 3), ("q.0", 4), ("q.1", 5)])
    assert caught.value.refused == frozenset({2, 3, 5})
    assert main.taken == ["q:1", "q.0:4"]
    publishers.close()
    assert [each.taken[-1] for each in (main, away, full)] == ["closed"] * 3
