"""A database for many tests: emptied before each, audited after each. For tests that change rows and nothing else.

To use it, a module or a conftest overrides the fixture `engine`. A database of its own costs a test a quarter of a
second, which is most of the time of a short one.
"""

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models.store.connection.session import make_engine
from tests.support.builders import reset
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.servers import servers
from worker.local.servers.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def shared_engine(postgres: EmbeddedPostgres, template_database: str) -> Iterator[Engine]:
    name = f"t_{uuid.uuid4().hex}"
    engine = make_engine(servers.create_database(postgres.url, name, template_database))
    yield engine
    engine.dispose()
    servers.drop_database(postgres.url, name)


@pytest.fixture
def emptied(shared_engine: Engine, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on an empty ledger; after the test it must be coherent, unless marked `tampered_ledger`."""
    reset(shared_engine)
    yield shared_engine
    if request.node.get_closest_marker("tampered_ledger") is None:
        assert_ledger_is_coherent(shared_engine)
