"""The client for asyncio and real workers: jobs that are awaited are applied, once, and answered."""

import asyncio
import json

from balance_client import AsyncBalanceClient
from tests.acceptance.system import System
from tests.support.looped import looped

_JOBS = 500


@looped
async def test_jobs_that_are_awaited_at_once_are_applied_once(any_system: System) -> None:
    await asyncio.to_thread(any_system.money_worker)
    async with AsyncBalanceClient(any_system.broker_url, "door", queue=any_system.queue) as client:
        await (await client.wallets_create(idempotency_key="open", wallet_id="w"))

        async def top_up(key: str) -> str:
            job = await client.wallets_top_up(
                idempotency_key=key, wallet_id="w", credits_to_add=1, transaction_reason="PURCHASED_CREDIT_DIRECT"
            )
            outcome = await job.get(50)
            assert outcome.applied
            return outcome.idempotency_key

        keys = [f"k{number}" for number in range(_JOBS)]
        assert await asyncio.gather(*map(top_up, keys)) == keys
        again = await client.for_producer("door").wallets_debit(
            idempotency_key="spend", wallet_id="w", credits=_JOBS + 1
        )
        refused = await again.get(20)
        assert (refused.applied, refused.code) == (False, "insufficient_funds")
    assert any_system.count("jobs", "status = 'applied'") == _JOBS + 1


@looped
async def test_the_door_of_many_producers_signs_for_each(any_system: System) -> None:
    named = {name: {"secrets": [name[0] * 32], "jobs": ["*"]} for name in ("crm", "shop")}
    await asyncio.to_thread(any_system.money_worker, BALANCE_PRODUCERS=json.dumps(named))
    async with AsyncBalanceClient(any_system.broker_url, "crm", queue=any_system.queue, secret="c" * 32) as client:
        shop = client.for_producer("shop", "s" * 32)
        jobs = [await each.users_upsert(idempotency_key="k", user_id=1) for each in (client, shop)]
        outcomes = [await job.get(20) for job in jobs]
    assert [(each.producer, each.applied) for each in outcomes] == [("crm", True), ("shop", True)]
