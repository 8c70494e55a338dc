"""A service that forks while it has a client, as a program: `forking.py URL QUEUE`.

Forking pytest's own process, with the threads that other tests have left in it, would show nothing of the client.
"""

from __future__ import annotations

import multiprocessing
import sys

from balance_client import BalanceClient

_TOP_UP = {"wallet_id": "w", "credits_to_add": "1", "transaction_reason": "INVOICE_PAYMENT"}
_PATIENCE_S = 60


def _publish(client: BalanceClient) -> None:
    for number in range(3):
        client.submit(("wallets.top_up", {**_TOP_UP, "idempotency_key": f"k{number}"}))


def main(url: str, queue: str) -> None:
    with BalanceClient(url, queue=queue) as client:
        client.submit(("wallets.top_up", {**_TOP_UP, "idempotency_key": "before"}))
        child = multiprocessing.get_context("fork").Process(target=_publish, args=(client,))
        child.start()
        child.join(timeout=_PATIENCE_S)
        assert child.exitcode == 0, f"the child has not ended well: {child.exitcode}"
        client.submit(("wallets.top_up", {**_TOP_UP, "idempotency_key": "after"}))


if __name__ == "__main__":
    main(*sys.argv[1:])
