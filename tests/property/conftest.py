"""A second database, for histories that are applied in two ways."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models.store.connection.session import make_engine
from tests.support.servers.servers import FreshLedger


@pytest.fixture
def twin(fresh_ledger: FreshLedger) -> Iterator[Engine]:
    """An engine on another migrated, empty database."""
    with fresh_ledger() as url:
        engine = make_engine(url)
        yield engine
        engine.dispose()
