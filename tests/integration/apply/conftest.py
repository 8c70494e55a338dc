"""Jobs through the path change rows and nothing else: one database, emptied for each test.

What asks for a `ledger` is run on that database, and by the worker in memory that services test with: one suite, two
backends.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from balance_client.testing import FakeWorker
from tests.support.emptied import emptied, shared_engine
from tests.support.ledgers import Ledger, assert_adds_up

__all__ = ["emptied", "shared_engine"]


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    return emptied


@pytest.fixture(params=["PostgreSQL", "in memory"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "PostgreSQL":
        yield request.getfixturevalue("engine")
        return
    worker = FakeWorker()
    yield worker
    assert_adds_up(worker)
