"""A wallet to try jobs on, opened as anybody would: by a job on the queue."""

from __future__ import annotations

from typing import Final

from balance_client import BalanceClient, JobParked, OutcomeTimeout, PublishFailed
from worker.local.supervisor import NotReady
from worker.settings.settings import Settings

_WALLET: Final = "w_1"
_KEY: Final = "up-opens-w_1"


def wanted(settings: Settings) -> bool:
    """Whether the ledger is one for trying: where any of it was given, nothing is added that nobody asked for."""
    return not settings.model_fields_set & {"database_url", "broker_url", "producers", "result_backend"}


def open_wallet(settings: Settings, timeout_s: float) -> str:
    """The name of the account, once the wallet is there; with one that was opened before nothing happens.

    Raises NotReady when no worker settles the job in time.
    """
    try:
        with BalanceClient(settings.broker_url, queue=settings.queue, partitions=settings.partitions) as client:
            client.wallets_create(idempotency_key=_KEY, wallet_id=_WALLET).get(timeout_s)
    except (JobParked, OutcomeTimeout, PublishFailed) as error:
        raise NotReady(f"a first job, which opens a wallet, was not settled: {error}") from error
    return f"wallet:{_WALLET}"
