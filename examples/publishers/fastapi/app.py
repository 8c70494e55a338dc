"""A service whose requests wait for the outcome of a job, without a thread for each.

    uvicorn app:app

Needs: pip install balance-client fastapi uvicorn
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request

from balance_client import AsyncBalanceClient, InvalidJob, OutcomeTimeout, PublishFailed

BROKER_URL = os.environ.get("BALANCE_BROKER_URL", "redis://127.0.0.1:6379/0")
QUEUE = os.environ.get("BALANCE_QUEUE", "balance")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for the process: its jobs share a connection."""
    async with AsyncBalanceClient(BROKER_URL, producer="shop", queue=QUEUE) as client:
        app.state.balance = client
        yield


app = FastAPI(lifespan=lifespan)


def balance(request: Request) -> AsyncBalanceClient:
    client: AsyncBalanceClient = request.app.state.balance
    return client


@app.post("/orders/{number}/payment")
async def pay(
    number: str, user_id: int, price_kopeks: int, client: Annotated[AsyncBalanceClient, Depends(balance)]
) -> dict[str, object]:
    """A request that is repeated, for whatever reason, takes the price once: the key is the order's."""
    try:
        job = await client.users_update_balance(
            idempotency_key=f"order-{number}", user_id=user_id, amount_kopeks=-price_kopeks
        )
        outcome = await job.get(timeout_s=10)
    except InvalidJob as error:
        raise HTTPException(422, error.errors) from error
    except PublishFailed as error:
        raise HTTPException(503, "ask again: nothing is known of this payment") from error
    except OutcomeTimeout as error:
        raise HTTPException(504, "ask again: the payment is on its way") from error
    if not outcome.applied:
        raise HTTPException(409, outcome.code)
    return {"paid": number, "replayed": outcome.replayed}
