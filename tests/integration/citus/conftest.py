"""A cluster that is there already; without one, what is here is skipped."""

from __future__ import annotations

import pytest

from tests.support.servers import citus


@pytest.fixture(scope="session")
def coordinator() -> str:
    """The URL of the coordinator."""
    if citus.URL is None:
        pytest.skip("no Citus (set BALANCE_TEST_CITUS_URL to the coordinator's, as a superuser)")
    return citus.URL
