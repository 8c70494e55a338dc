"""A service of asyncio that forks while it has a client, as a program: `forking_aio.py URL QUEUE`.

It writes what the client in the child is told, a line each. Why a program: see forking.py.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from typing import Any

from balance_client import AsyncBalanceClient

_DEBIT = {"wallet_id": "w", "credits": "1"}
_PATIENCE_S = 60


async def _use(client: AsyncBalanceClient, job: Any) -> None:
    asked = ("wallets.debit", {**_DEBIT, "idempotency_key": "in the child"})
    for each in (client.submit(asked), job.get(1), job.get(0), client.close()):
        try:
            await each
        except RuntimeError as error:
            sys.stdout.write(f"{error}\n")


def _in_child(client: AsyncBalanceClient, job: Any) -> None:
    asyncio.run(_use(client, job))


async def _service(url: str, queue: str) -> None:
    async with AsyncBalanceClient(url, queue=queue) as client:
        job = await client.submit(("wallets.debit", {**_DEBIT, "idempotency_key": "before"}))
        child = multiprocessing.get_context("fork").Process(target=_in_child, args=(client, job))
        child.start()
        await asyncio.to_thread(child.join, _PATIENCE_S)
        assert child.exitcode == 0, f"the child has not ended well: {child.exitcode}"
        await client.submit(("wallets.debit", {**_DEBIT, "idempotency_key": "after"}))


if __name__ == "__main__":
    asyncio.run(_service(*sys.argv[1:]))
