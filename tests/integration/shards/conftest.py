"""Two shards as schemas of one database, emptied before each test and audited after it."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import make_url, text

from models.domain.sharding.shard import Shard
from models.store.connection.session import make_engine
from models.store.schema import migrations
from tests.integration.shards.sharded import COUNT, Part, assert_nothing_is_in_two_shards
from tests.support.builders import reset
from tests.support.coherence import assert_ids_carry_their_bucket, assert_ledger_is_coherent
from tests.support.servers import citus, servers
from worker.local.servers.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def made(request: pytest.FixtureRequest) -> Iterator[list[Part]]:
    """On a cluster of Citus, where there is one, each on a node of its own."""
    if citus.URL is None:
        yield from _on_postgres(request.getfixturevalue("postgres"))
        return
    with ExitStack() as stack:
        places = citus.nodes(citus.URL)[:COUNT]
        shards = [Shard(number, COUNT) for number in range(COUNT)]
        ledgers = [
            stack.enter_context(citus.shard(citus.URL, place, each.schema))
            for each, place in zip(shards, places, strict=True)
        ]
        parts = [Part.of(each.url, number) for number, each in enumerate(ledgers)]
        yield parts
        for part in parts:
            part.engine.dispose()


def _on_postgres(postgres: EmbeddedPostgres) -> Iterator[list[Part]]:
    name = f"t_{uuid.uuid4().hex}"
    url = servers.create_database(postgres.url, name)
    parts = [Part.of(url, number) for number in range(COUNT)]
    owner = make_engine(url)
    with owner.begin() as connection:
        for part in parts:
            connection.execute(text(f"create schema {part.shard.schema}"))
    owner.dispose()
    for part in parts:
        migrations.upgrade(part.engine)
    yield parts
    for part in parts:
        part.engine.dispose()
    servers.drop_database(postgres.url, make_url(url).database or name)


@pytest.fixture
def parts(made: list[Part]) -> Iterator[list[Part]]:
    for part in made:
        reset(part.engine)
    yield made
    for part in made:
        assert_ledger_is_coherent(part.engine)
        assert_ids_carry_their_bucket(part.engine)
    assert_nothing_is_in_two_shards(made)
