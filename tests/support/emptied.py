"""A database for many tests: emptied before each, audited after each. For tests that change rows and nothing else.

To use it, a module or a conftest overrides the fixture `engine`. A database of its own costs a test a quarter of a
second, which is most of the time of a short one.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models.store.connection.session import make_engine
from tests.support.builders import reset
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.servers.servers import FreshLedger


@pytest.fixture(scope="session")
def shared_engine(fresh_ledger: FreshLedger) -> Iterator[Engine]:
    with fresh_ledger() as url:
        engine = make_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def emptied(shared_engine: Engine, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on an empty ledger; after the test it must be coherent, unless marked `tampered_ledger`."""
    reset(shared_engine)
    yield shared_engine
    if request.node.get_closest_marker("tampered_ledger") is None:
        assert_ledger_is_coherent(shared_engine)
