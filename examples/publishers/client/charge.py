"""Takes the price of an order from a wallet with the typed client.

    python charge.py redis://127.0.0.1:6379/0 order-7 w_1 12.50

Needs: pip install balance-client
"""

from __future__ import annotations

import os
import sys
from decimal import Decimal

from balance_client import BalanceClient, Outcome, OutcomeTimeout


def charge(client: BalanceClient, order: str, wallet: str, price: Decimal) -> Outcome:
    """However often it is called for an order, its price is taken once. A refusal is an outcome, and no exception."""
    job = client.wallets_debit(idempotency_key=order, wallet_id=wallet, credits=price)
    return job.get(timeout_s=10)


def main() -> None:
    url, order, wallet, price = sys.argv[1:]
    with BalanceClient(url, producer="shop", queue=os.environ.get("BALANCE_QUEUE", "balance")) as client:
        try:
            outcome = charge(client, order, wallet, Decimal(price))
        except OutcomeTimeout:
            sys.exit("published, and not answered yet: the same call again will tell")
    print(outcome.code if outcome.applied else f"{outcome.code}: {outcome.error}")


if __name__ == "__main__":
    main()
