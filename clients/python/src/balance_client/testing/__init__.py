"""A worker in memory, for unit tests of services: it decides by the rules of the real one, and needs no server.

    worker = FakeWorker()
    client = worker.client(producer="billing")      # wherever a BalanceClient is taken
    client.wallets_create(idempotency_key="1", wallet_id="w_1")
    assert worker.balance("wallet:w_1") == 0

Needs msgspec, as `balance-client[testing]` does. With pytest there is a fixture `balance_worker`. Loads nothing before
one of its names is used: pytest imports it in every project that has it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from balance_client.testing.aio import FakeAsyncBalanceClient, FakeAsyncJobHandle
    from balance_client.testing.client import FakeBalanceClient
    from balance_client.testing.worker import FakeWorker
    from models.domain.deciding.decision import Limits

__all__ = ["FakeAsyncBalanceClient", "FakeAsyncJobHandle", "FakeBalanceClient", "FakeWorker", "Limits"]

_HOMES: Final = {
    "FakeAsyncBalanceClient": "aio",
    "FakeAsyncJobHandle": "aio",
    "FakeBalanceClient": "client",
    "FakeWorker": "worker",
    "Limits": "worker",
}


def __getattr__(name: str) -> Any:
    """Raises ImportError, saying what to install, where msgspec is missing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "msgspec":
            raise
        raise ImportError("balance_client.testing needs msgspec: pip install 'balance-client[testing]'") from error
    return getattr(home, name)
