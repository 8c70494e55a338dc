"""A second database, for histories that are applied in two ways."""

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models.store.connection.session import make_engine
from tests.support.servers import servers
from worker.local.servers.embedded import EmbeddedPostgres


@pytest.fixture
def twin(postgres: EmbeddedPostgres, template_database: str) -> Iterator[Engine]:
    """An engine on another migrated, empty database."""
    name = f"t_{uuid.uuid4().hex}"
    engine = make_engine(servers.create_database(postgres.url, name, template_database))
    yield engine
    engine.dispose()
    servers.drop_database(postgres.url, name)
