"""balance-worker why: what became of a key, from the ledger, the dead letters and the queue in one answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kombu import Connection
from sqlalchemy import Engine

from balance_client import BalanceClient
from models.contracts.wire.dead_letter import DeadLetter
from models.store.connection.session import transaction
from models.store.write.dead_letters import park
from tests.integration.cli.conftest import Cli, Story
from tests.support.builders import done


@pytest.fixture
def on_redis(cli: Cli, redis_url: str) -> Cli:
    return replace(cli, settings={**cli.settings, "broker_url": redis_url})


def park_one(engine: Engine, key: str, producer: str) -> None:
    letter = DeadLetter(
        reason="failed", error="it kept failing", task="wallets.debit", task_id="t", queue="balance", headers={},
        body=b"{}", properties={}, producer=producer, key=key,
    )  # fmt: skip
    with transaction(engine) as connection:
        park(connection, [letter])


def test_a_settled_key(cli: Cli, on_redis: Cli, story: Story) -> None:
    text = on_redis.text("why", "invoice-1")
    assert "wallets.top_up of billing was applied at 2" in text
    assert "wallet:w1 +12.50, entry number 1, balance 12.50" in text
    assert "wallet.transaction.created was told" in text
    assert "queue: none of 0 messages has this key" in text
    told = on_redis.json("why", "too-much")
    assert (told["verdict"], told["jobs"][0]["code"], told["dead_letters"]) == ("settled", "insufficient_funds", [])
    assert told["queue"]["found"] is False
    assert "wallet:w1 did not move" in on_redis.text("why", "too-much", "--producer", "billing")
    assert on_redis.json("why", "too-much", "--producer", "shop", code=1)["verdict"] == "missing"


def test_every_producer_that_used_the_key(on_redis: Cli, engine: Engine, story: Story) -> None:
    done(engine, "users.upsert", user_id=5, idempotency_key="open", producer="shop")
    assert {each["producer"] for each in on_redis.json("why", "open")["jobs"]} == {"shop", "billing"}


def test_a_dead_letter(on_redis: Cli, engine: Engine) -> None:
    park_one(engine, "k", "billing")
    told = on_redis.json("why", "k")
    assert (told["verdict"], told["dead_letters"][0]["reason"]) == ("dead_letter", "failed")
    text = on_redis.text("why", "k", "--producer", "billing")
    assert "dead letter of billing since 2" in text
    assert "failed: it kept failing; it is parked" in text
    assert on_redis.json("why", "k", "--producer", "shop", code=1)["dead_letters"] == []


def test_a_job_that_waits_is_found_and_stays(on_redis: Cli, engine: Engine, redis_url: str, unique_queue: str) -> None:
    waits = replace(on_redis, settings={**on_redis.settings, "queue": unique_queue})
    with BalanceClient(redis_url, producer="shop", queue=unique_queue) as client:
        for number in range(3):
            client.users_upsert(idempotency_key=f"k{number}", user_id=number + 1)
    for _ in range(2):  # looking takes nothing
        told = waits.json("why", "k1", "--producer", "shop")
        assert (told["verdict"], told["queue"]["where"]) == ("waiting", f"waiting in {unique_queue}")
    missing = waits.json("why", "k9", code=1)
    assert (missing["verdict"], missing["queue"]["looked_at"], missing["queue"]["whole"]) == ("missing", 3, True)
    assert waits.json("why", "k1", "--producer", "billing", code=1)["verdict"] == "missing"
    with Connection(redis_url) as connection, connection.SimpleQueue(unique_queue) as queue:
        assert queue.qsize() == 3


def test_rabbitmq_shows_no_message_and_it_says_so(
    cli: Cli, engine: Engine, rabbitmq_url: str, unique_queue: str
) -> None:
    waits = replace(cli, settings={**cli.settings, "broker_url": rabbitmq_url, "queue": unique_queue})
    assert waits.json("why", "k", code=1)["verdict"] == "missing"
    with BalanceClient(rabbitmq_url, producer="shop", queue=unique_queue) as client:
        client.users_upsert(idempotency_key="k", user_id=1)
    told = waits.json("why", "k", code=1)
    assert (told["verdict"], told["queue"]["found"]) == ("unknown", None)
    assert "1 are waiting, and this may be one of them" in told["queue"]["said"]


def test_without_a_broker_it_says_what_the_ledger_knows(cli: Cli, story: Story) -> None:
    told = cli.json("why", "invoice-1")
    assert (told["verdict"], told["queue"]["found"]) == ("settled", None)
    assert "could not be asked" in told["queue"]["said"]
    text = cli("why", "nowhere")
    assert text.returncode == 1
    assert "nowhere is not settled, and is no dead letter" in text.stdout
    assert "could not be asked" in text.stdout
    assert cli.json("why", "nowhere", code=1)["verdict"] == "unknown"
