"""How many histories are drawn, and a second database for those that are applied in two ways."""

import os
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models.store.session import make_engine
from tests import servers
from worker.embedded import EmbeddedPostgres


def examples(usual: int, weight: int = 1) -> int:
    """How many histories a test draws: as many as `make property EXAMPLES=…` says, or as are usual. `weight`: how much
    longer than in memory one takes."""
    asked = os.environ.get("EXAMPLES")
    return int(asked) // weight if asked else usual


@pytest.fixture
def twin(postgres: EmbeddedPostgres, template_database: str) -> Iterator[Engine]:
    """An engine on another migrated, empty database."""
    name = f"t_{uuid.uuid4().hex}"
    engine = make_engine(servers.create_database(postgres.url, name, template_database))
    yield engine
    engine.dispose()
    servers.drop_database(postgres.url, name)
