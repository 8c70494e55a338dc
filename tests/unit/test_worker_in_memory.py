"""What services test with: a client whose broker, results and worker are in memory, and what can be told to fail.

That it decides as the worker does is proved elsewhere: tests/integration/apply, tests/property/test_in_memory.py.
"""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from balance_client import BalanceClient, InvalidJob, JobParked, OutcomeTimeout, PublishFailed
from balance_client.publishing.job_message import job_message
from balance_client.testing import FakeAsyncBalanceClient, FakeBalanceClient, FakeWorker
from models.contracts.catalogue import CATALOGUE

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
BOUGHT: dict[str, Any] = {"wallet_id": "w_1", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
ADD: dict[str, Any] = {**BOUGHT, "idempotency_key": "add", "credits_to_add": "12.50"}
HOUR = timedelta(hours=1)


@pytest.fixture
def worker() -> FakeWorker:
    """With wallet w_1, in which there is nothing."""
    worker = FakeWorker(now=NOW)
    worker.client().wallets_create(idempotency_key="open", wallet_id="w_1")
    return worker


@pytest.fixture
def client(worker: FakeWorker) -> FakeBalanceClient:
    return worker.client("billing")


def charge(client: BalanceClient) -> str:
    """A service's own code, which knows of no fake."""
    return client.wallets_debit(idempotency_key="ride-7", wallet_id="w_1", credits=3).get(timeout_s=10).code


# --- what is answered


def test_a_service_is_answered_by_the_rules(worker: FakeWorker, client: FakeBalanceClient) -> None:
    assert charge(client) == "insufficient_funds"
    outcome = client.wallets_top_up(**ADD).get(timeout_s=10)
    assert (outcome.code, outcome.producer, outcome.replayed) == ("applied", "billing", False)
    assert outcome.response is not None
    assert outcome.response["credit_balance"] == Decimal("12.5")
    assert (worker.balance("wallet:w_1"), worker.spendable("wallet:w_1")) == (Decimal("12.5"), Decimal("12.5"))
    [entry] = worker.entries("wallet:w_1")
    assert entry == outcome.entry
    assert [event["type"] for event in worker.events] == [
        "wallet.updated", "job.rejected", "wallet.transaction.created",
    ]  # fmt: skip
    assert [message.name for message in worker.messages] == ["wallets.create", "wallets.debit", "wallets.top_up"]
    assert charge(client) == "insufficient_funds", "a refusal is kept under its key, too"


def test_a_key_is_replayed_and_in_conflict(client: FakeBalanceClient) -> None:
    first, again = (client.wallets_top_up(**ADD).get(timeout_s=0) for _ in range(2))
    assert again == replace(first, replayed=True, raw={**first.raw, "replayed": True})
    other = client.wallets_top_up(**{**ADD, "credits_to_add": 13}).get(timeout_s=0)
    assert (other.code, other.job_id) == ("idempotency_conflict", first.job_id)


def test_a_wrong_job_is_not_published(worker: FakeWorker, client: FakeBalanceClient) -> None:
    before = len(worker.messages)
    with pytest.raises(InvalidJob, match=r"jobs\[1\]: wallets.top_up: credits_to_add = 1.5"):
        client.submit_many([("wallets.top_up", ADD), ("wallets.top_up", {**ADD, "credits_to_add": 1.5})])
    assert len(worker.messages) == before


def test_many_are_settled_in_their_order(worker: FakeWorker, client: FakeBalanceClient) -> None:
    jobs = [("wallets.top_up", {**ADD, "idempotency_key": f"k{number}"}) for number in range(1200)]
    handles = client.submit_many(jobs)
    balances = [outcome.entry.balance_after for each in handles if (outcome := each.get(timeout_s=0)).entry]
    assert balances == [12_500_000_000 * number for number in range(1, 1201)]


def test_threads_may_share_a_client(worker: FakeWorker, client: FakeBalanceClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(client.wallets_top_up, **{**ADD, "idempotency_key": f"k{n % 50}"}) for n in range(200)]
        assert {each.result().get(timeout_s=0).code for each in asked} == {"applied"}
    assert worker.balance("wallet:w_1") == 625


def test_the_same_test_has_the_same_ids() -> None:
    ids = set()
    for _ in range(2):
        client = FakeWorker(now=NOW).client()
        ids.add(client.wallets_create(idempotency_key="open", wallet_id="w").get(timeout_s=0).job_id)
    assert len(ids) == 1


# --- what fails when it is told to


def test_a_broker_that_is_away(worker: FakeWorker, client: FakeBalanceClient) -> None:
    client.broker_away = True
    with pytest.raises(PublishFailed, match="publish again with the same key") as caught:
        client.wallets_top_up(**ADD)
    assert [job.idempotency_key for job in caught.value.unknown] == ["add"]
    assert worker.balance("wallet:w_1") == 0
    client.broker_away = False
    assert client.wallets_top_up(**ADD).get(timeout_s=0).replayed is False


@pytest.mark.parametrize("lost", ["confirms_lost", "answers_lost"])
def test_what_arrived_though_nobody_said_so_is_applied_once(
    worker: FakeWorker, client: FakeBalanceClient, lost: str
) -> None:
    setattr(client, lost, True)
    with pytest.raises((PublishFailed, OutcomeTimeout)):
        client.wallets_top_up(**ADD).get(timeout_s=60)
    setattr(client, lost, False)
    assert client.wallets_top_up(**ADD).get(timeout_s=0).replayed is True
    assert worker.balance("wallet:w_1") == Decimal("12.5")


def test_a_worker_that_stands_still_goes_on_with_what_has_waited(worker: FakeWorker, client: FakeBalanceClient) -> None:
    worker.stop()
    job = client.wallets_top_up(**ADD)
    with pytest.raises(OutcomeTimeout, match="within 60 s"):  # at once
        job.get(timeout_s=60)
    assert worker.balance("wallet:w_1") == 0
    worker.start()
    assert job.get(timeout_s=0).code == "applied"


def test_what_is_parked(worker: FakeWorker, client: FakeBalanceClient) -> None:
    worker.parking = "poison: division by zero"
    with pytest.raises(JobParked, match=r"wallets.top_up key=add was not applied: poison: division by zero \(dead let"):
        client.wallets_top_up(**ADD).get(timeout_s=0)
    worker.parking = None
    assert client.wallets_top_up(**ADD).get(timeout_s=0).replayed is False


def test_what_is_no_job_of_this_version_is_parked_for_that(client: FakeBalanceClient) -> None:
    """An outbox may have kept it, or somebody else has made it."""
    message = replace(job_message(("wallets.top_up", ADD), "billing", want_result=True), name="wallets.gift")
    [handle] = client._publish([message], chunk=1)
    with pytest.raises(JobParked) as caught:
        handle.get(timeout_s=0)
    assert caught.value.reason.startswith("unknown_job: There is no job named 'wallets.gift'; there are wallets.create")


def test_what_asks_for_no_result_or_comes_too_late_has_none(client: FakeBalanceClient) -> None:
    with pytest.raises(RuntimeError, match="want_result=False"):
        client.wallets_top_up(**ADD, want_result=False).get(timeout_s=0)
    with client:
        job = client.wallets_top_up(**ADD)
    with pytest.raises(RuntimeError, match="the client is closed"):
        job.get(timeout_s=0)
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.wallets_top_up(**ADD)


# --- time


def test_time_passes_when_it_is_told_to(worker: FakeWorker, client: FakeBalanceClient) -> None:
    client.wallets_top_up(**ADD, expiry_date_utc=NOW + HOUR)
    client.wallets_top_up(**{**ADD, "idempotency_key": "plain", "credits_to_add": 2})
    client.wallets_hold(idempotency_key="hold", wallet_id="w_1", credits=1, expires_in_s=60)
    assert (worker.balance("wallet:w_1"), worker.spendable("wallet:w_1")) == (Decimal("14.5"), Decimal("13.5"))
    worker.advance(HOUR)
    assert worker.balance("wallet:w_1") == worker.spendable("wallet:w_1") == 2, "nothing has to be swept for it"
    assert charge(client) == "insufficient_funds"
    assert worker.settle_due() == 1, "the hold; grants wait for late debits first"
    worker.advance(worker.limits.expiry_grace)
    assert (worker.settle_due(), worker.settle_due()) == (1, 0)
    assert [event["type"] for event in worker.events][-2:] == ["wallet.transaction.created", "grant.expired"]
    assert worker.now >= NOW + HOUR


def test_what_will_expire_is_told_and_a_top_up_is_made(worker: FakeWorker, client: FakeBalanceClient) -> None:
    client.wallets_top_up(**ADD, expiry_date_utc=NOW + HOUR)
    assert worker.settle_due(notice=2 * HOUR) == 1
    assert worker.events[-1]["type"] == "grant.will_expire"
    policy = {"trigger": "balance_below_threshold", "threshold": 20, "amount": 50}
    client.submit(("auto_topup.set_policy", {"idempotency_key": "policy", "account": "wallet:w_1", **policy}))
    worker.charging_paused = True
    assert worker.settle_due() == 0
    worker.charging_paused = False
    assert worker.settle_due() == 1
    assert worker.balance("wallet:w_1") == Decimal("62.5")


def test_the_clock_of_the_machine_goes_on_unless_one_is_set() -> None:
    worker = FakeWorker()
    before = datetime.now(UTC)
    assert before <= worker.now <= datetime.now(UTC)
    worker.advance(HOUR)
    assert worker.now >= before + HOUR
    with pytest.raises(ValueError, match="time zone"):
        worker.now = datetime(2030, 1, 1)  # noqa: DTZ001 - that it has none is the point


# --- asyncio


def test_who_awaits_is_answered_alike(worker: FakeWorker) -> None:
    async def service() -> None:
        async with FakeAsyncBalanceClient(worker, producer="shop") as client:
            job = await client.wallets_top_up(**ADD)
            outcome = await job
            assert (outcome, outcome.producer) == (await job.get(timeout_s=10), "shop")
            [again] = await client.submit_many([("wallets.top_up", ADD)])
            assert (await again).replayed is True
            other = await client.for_producer("books").wallets_top_up(**ADD)
            assert (await other).replayed is False, "a key is a producer's own"
            later = await client.submit(("wallets.top_up", ADD))
            client.sync.broker_away = True
            with pytest.raises(PublishFailed):
                await client.submit(("wallets.top_up", ADD))
            with pytest.raises(InvalidJob):
                await client.wallets_top_up(**{**ADD, "credits_to_add": 1.5})
        with pytest.raises(RuntimeError, match="the client is closed"):
            await later

    asyncio.run(service())
    assert worker.balance("wallet:w_1") == 25


def test_there_is_a_method_for_each_job() -> None:
    client = FakeWorker().async_client()
    assert all(callable(getattr(client, name.replace(".", "_"))) for name in CATALOGUE)


# --- pytest's plugin

_ASKS = """
def test_it(balance_worker):
    balance_worker.client().wallets_create(idempotency_key="1", wallet_id="w")
    assert balance_worker.balance("wallet:w") == 0
"""
_WITHOUT = "import sys; sys.modules['msgspec'] = None\n"
_LOADS = """
import sys, balance_client.testing.pytest_plugin as plugin
print([name for name in ("kombu", "pydantic", "msgspec", "redis") if name in sys.modules])
"""


def pytest_run(folder: Path, test: str, conftest: str = "") -> str:
    (folder / "test_it.py").write_text(test, encoding="utf-8")
    (folder / "conftest.py").write_text(conftest, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "balance_client.testing.pytest_plugin", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, check=False).stdout


def test_the_fixture_is_there(tmp_path: Path) -> None:
    assert "1 passed" in pytest_run(tmp_path, _ASKS)


def test_without_msgspec_it_says_what_to_install_when_it_is_used_and_not_before(tmp_path: Path) -> None:
    told = pytest_run(tmp_path, _ASKS + "def test_another(): pass\n", _WITHOUT)
    assert "ImportError: balance_client.testing needs msgspec: pip install 'balance-client[testing]'" in told
    assert "1 passed, 1 error" in told


def test_the_plugin_loads_nothing_that_takes_time() -> None:
    found = subprocess.run([sys.executable, "-c", _LOADS], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == "[]"
