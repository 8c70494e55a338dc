"""Jobs through the path change rows and nothing else: one database, emptied for each test."""

import pytest
from sqlalchemy import Engine

from tests.support.emptied import emptied, shared_engine

__all__ = ["emptied", "shared_engine"]


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    return emptied
