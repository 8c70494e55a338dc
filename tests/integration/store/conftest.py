"""The emptied database, and a full one, for the modules that ask for them."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models.store.connection.session import make_engine
from tests.integration.store.filled import fill
from tests.support.emptied import emptied, shared_engine
from tests.support.servers.servers import FreshLedger

__all__ = ["emptied", "kept", "shared_engine"]


@pytest.fixture(scope="session")
def kept(fresh_ledger: FreshLedger) -> Iterator[Engine]:
    """A full ledger, which every test leaves as it was: what it changes is rolled back."""
    with fresh_ledger() as url:
        engine = make_engine(url)
        fill(engine)
        yield engine
        engine.dispose()
