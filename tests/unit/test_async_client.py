"""The client for asyncio without a broker: settings, signatures, and what its types say."""

import asyncio
import inspect
from typing import Any, assert_type

import pytest

from balance_client import (
    AsyncBalanceClient,
    AsyncJobHandle,
    BalanceClient,
    InvalidJob,
    JobHandle,
    Outcome,
    PublishFailed,
)
from balance_client.aio.client import AsyncProducer
from balance_client.publishing.job_methods import JobMethods
from models.contracts.catalogue import CATALOGUE
from tests.support.looped import looped
from tests.unit.test_client import TOP_UP, closed_port_url

METHODS = [name.replace(".", "_") for name in CATALOGUE]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"broker_url": "sqs://x"}, "broker_url is a sqs:// URL"),
        ({"broker_url": "redis://x", "result_url": "rpc://"}, "result_url can be rpc:// only"),
        ({"broker_url": "redis://x", "producer": "balance-worker"}, "is reserved for the system"),
        ({"broker_url": "redis://x", "partitions": 257}, "allowed is 0 to 256"),
        ({"broker_url": "redis://x", "secret": "secret"}, "secret has 6 characters"),
        ({"broker_url": "redis://x", "max_waiting": 0}, "max_waiting is 0; at least 1 is needed"),
    ],
)
def test_wrong_settings_are_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AsyncBalanceClient(**arguments)


def test_settings_are_those_of_the_other_client() -> None:
    ours = dict(inspect.signature(AsyncBalanceClient).parameters)
    assert ours.pop("max_waiting").default == 10_000
    assert ours == dict(inspect.signature(BalanceClient).parameters)


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_those_of_the_other_client(name: str) -> None:
    """One text for both: what it gives is the only difference."""
    assert getattr(AsyncProducer, name) is getattr(BalanceClient, name) is getattr(JobMethods, name)


@looped
async def test_absent_broker_is_said_and_no_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balance_client.publishing.confirmed.PAUSE_S", 0)
    async with AsyncBalanceClient(closed_port_url()) as client:
        with pytest.raises(PublishFailed) as caught:
            await client.wallets_top_up(**TOP_UP)
    text = str(caught.value)
    assert text.startswith("wallets.top_up key=k1: not accepted by the broker; publish again with the same key (")
    assert "secret" not in text
    assert [type(job) for job in caught.value.unknown] == [AsyncJobHandle]


@looped
async def test_a_client_that_was_not_used_is_closed_as_well() -> None:
    async with AsyncBalanceClient(closed_port_url()):
        pass
    client = AsyncBalanceClient(closed_port_url())
    await client.close()
    await client.close()


def test_outside_of_a_loop_it_cannot_be_used() -> None:
    client = AsyncBalanceClient(closed_port_url())
    submitting = client.submit(("wallets.top_up", TOP_UP))
    with pytest.raises(RuntimeError, match="no running event loop"):
        submitting.send(None)


@looped
async def test_types_are_precise() -> None:
    """mypy holds these, in its strict run over the tests."""
    async with AsyncBalanceClient(closed_port_url()) as client:
        with pytest.raises(InvalidJob):
            assert_type(await client.wallets_terminate(idempotency_key="", wallet_id="w"), AsyncJobHandle)
        with pytest.raises(InvalidJob):
            assert_type(await (await client.for_producer("a").users_upsert(idempotency_key="", user_id=1)), Outcome)
        with pytest.raises(InvalidJob):
            await client.users_upsert(idempotency_key="k", user_id="x")  # type: ignore[arg-type]
    with BalanceClient(closed_port_url()) as other, pytest.raises(InvalidJob):
        assert_type(other.users_upsert(idempotency_key="", user_id=1), JobHandle)


def test_many_clients_cost_no_thread_until_they_are_used() -> None:
    async def main() -> int:
        clients = [AsyncBalanceClient(closed_port_url()) for _ in range(20)]
        started = len(asyncio.all_tasks())
        for each in clients:
            await each.close()
        return started

    assert asyncio.run(main()) == 1
