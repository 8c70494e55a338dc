"""The emptied database, and a full one, for the modules that ask for them."""

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models.store.connection.session import make_engine
from tests.integration.store.filled import fill
from tests.support.emptied import emptied, shared_engine
from tests.support.servers import servers
from worker.local.servers.embedded import EmbeddedPostgres

__all__ = ["emptied", "kept", "shared_engine"]


@pytest.fixture(scope="session")
def kept(postgres: EmbeddedPostgres, template_database: str) -> Iterator[Engine]:
    """A full ledger, which every test leaves as it was: what it changes is rolled back."""
    name = f"t_{uuid.uuid4().hex}"
    engine = make_engine(servers.create_database(postgres.url, name, template_database))
    fill(engine)
    yield engine
    engine.dispose()
    servers.drop_database(postgres.url, name)
