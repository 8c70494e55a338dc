"""Money jobs for a balance worker: published with an idempotency key, applied exactly once.

with BalanceClient("redis://localhost:6379/0", producer="billing") as client:
    job = client.wallets_top_up(
        wallet_id="w_1", credits_to_add="12.50", transaction_reason="PURCHASED_CREDIT_DIRECT",
        idempotency_key="invoice-1042",
    )
    outcome = job.get(timeout_s=10)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from balance_client.aio.client import AsyncBalanceClient, AsyncProducer
    from balance_client.aio.handles import AsyncJobHandle
    from balance_client.client import BalanceClient
    from balance_client.publishing.handles import (
        Entry,
        Error,
        JobHandle,
        JobParked,
        Outcome,
        OutcomeTimeout,
        PublishFailed,
    )
    from balance_client.publishing.job_message import ABSENT, Absent, InvalidJob, JobSpec

__all__ = [
    "ABSENT", "Absent", "AsyncBalanceClient", "AsyncJobHandle", "AsyncProducer", "BalanceClient", "Entry", "Error",
    "InvalidJob", "JobHandle", "JobParked", "JobSpec", "Outcome", "OutcomeTimeout", "PublishFailed",
]  # fmt: skip

_HOMES: Final = {
    **dict.fromkeys(("AsyncBalanceClient", "AsyncProducer"), "aio.client"),
    "AsyncJobHandle": "aio.handles",
    "BalanceClient": "client",
    **dict.fromkeys(
        ("Entry", "Error", "JobHandle", "JobParked", "Outcome", "OutcomeTimeout", "PublishFailed"), "publishing.handles"
    ),
    **dict.fromkeys(("ABSENT", "Absent", "InvalidJob", "JobSpec"), "publishing.job_message"),
}


def __getattr__(name: str) -> Any:
    """Loaded when it is used: pytest finds the plugin in here, in every project that has the client installed."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
