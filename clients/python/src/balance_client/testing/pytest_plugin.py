"""What pytest finds by itself where balance-client is installed: a fixture, and nothing until a test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from balance_client.testing.worker import FakeWorker


@pytest.fixture
def balance_worker() -> FakeWorker:
    """A balance worker in memory, empty: `balance_worker.client()` is used like a BalanceClient."""
    from balance_client.testing import FakeWorker

    return FakeWorker()
