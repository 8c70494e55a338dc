"""Whether a shard's partitions are published where its workers are."""

import json

import pytest

from worker.doctor.brokers.partitions import examine_partitions
from worker.doctor.finding import Level
from worker.settings.settings import Settings

HERE, THERE = "redis://a:6379/0", "redis://b:6379/0"


def said(brokers: dict[str, str] | None, shard: str | None = "1/2", own: str = HERE) -> list[tuple[Level, str]]:
    settings = Settings(
        broker_url=own,
        database_url="postgresql+psycopg://ledger/balance",
        partitions=4,
        shard=shard,
        brokers=None if brokers is None else json.dumps(brokers),
    )
    return [(each.level, each.found) for each in examine_partitions(settings)]


@pytest.mark.parametrize("own", [HERE, "redis://:secret@a:6379/0", "redis://a"])
def test_all_are_here(own: str) -> None:
    assert said({"0": THERE, "1": HERE, "2": THERE, "3": HERE}, own=own) == [
        (Level.OK, "2 of the 2 partitions of shard 1/2 are published here")
    ]


def test_some_are_elsewhere() -> None:
    assert said({"0-2": HERE, "3": "redis://:secret@b:6379/0"}) == [
        (Level.WARNING, "1 of the 2 partitions of shard 1/2 are published here; 3 at redis://:***@b:6379/0")
    ]


def test_none_is_here() -> None:
    [(level, found)] = said({"0": HERE, "1-3": THERE})
    assert level is Level.WARNING
    assert found.startswith("0 of the 2 partitions of shard 1/2 are published here; 1, 3 at")


@pytest.mark.parametrize(("brokers", "shard"), [(None, "1/2"), ({"0-3": HERE}, None)])
def test_nothing_is_said_where_nothing_is_to_be_compared(brokers: dict[str, str] | None, shard: str | None) -> None:
    assert said(brokers, shard) == []
