"""The examples of events in asyncapi.yaml have the shape of real ones, made by the jobs that tell them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from models.batch.system_jobs import expire_job, hold_job, warn_job
from models.contracts.spec.event_examples import EVENT_EXAMPLES
from models.contracts.spec.event_schemas import event_schema
from models.contracts.wire.dead_letter import DeadLetter
from models.domain.accounts import AccountKey, Kind
from models.domain.events import EventType
from models.domain.webhooks.endpoints import DisabledFor
from models.store.connection.session import transaction
from models.store.write import dead_letters
from models.store.write.events import endpoints
from tasks.events.disabling import disable_job
from tests.support.builders import Document, ask, done, events, let_expire, settle
from tests.support.resealed import execute_resealed
from tests.unit.test_asyncapi import SCHEMAS, validator

W = AccountKey(Kind.WALLET, "w_1")
LETTER = DeadLetter(
    "unknown_task", "No job has this name", "wallets.topup", "5d1a3e0e-7f6c-4b2a-9d57-0c4f2b8e6a11", "balance", {},
    b"[]", producer="billing", key="invoice-1042",
)  # fmt: skip


@pytest.fixture
def told(engine: Engine) -> dict[str, Document]:
    """An event of each type, by its type: the first there is."""
    bought = {"wallet_id": "w_1", "transaction_reason": "PURCHASED_CREDIT_DIRECT", "producer": "billing"}
    terms = {"threshold": 100, "amount": 50, "cooldown_s": 0, "provider": "http", "payer": "cus_7", "max_declines": 1}
    level = {"trigger": "balance_below_threshold", "account": "wallet:w_1", **terms}
    done(engine, "wallets.create", wallet_id="w_1", name="Main wallet", producer="billing")
    grant = done(engine, "wallets.top_up", credits_to_add=120, expiry_date_utc="2099-12-31", **bought)["job_id"]
    done(engine, "auto_topup.set_policy", **level)
    held = done(engine, "wallets.hold", wallet_id="w_1", credits=8)["job_id"]
    settle(engine, warn_job(W, UUID(grant), 1))
    execute_resealed(engine, "update holds set expires_at = clock_timestamp()")
    settle(engine, hold_job(W, UUID(held)))
    done(engine, "accounts.set_alerts", account="wallet:w_1", thresholds=[100])
    done(engine, "wallets.debit", wallet_id="w_1", credits=21)
    let_expire(engine, grant, timedelta(0))
    settle(engine, expire_job(W, UUID(grant), 4))
    for status in ("declined", "needs_action"):
        charge = done(engine, "auto_topup.run_now", account="wallet:w_1")["job_id"]
        about = {"charge_id": charge, "code": "card_declined", "reference": "pi_3QyKqL"}
        done(engine, "charges.settle", status=status, link="https://pay.example/confirm/1", **about)
        done(engine, "auto_topup.resume", account="wallet:w_1")
    done(engine, "wallets.top_up", credits_to_add=500, **bought)
    done(engine, "users.upsert", user_id=42, telegram_id=700000042, first_name="Ольга")
    done(engine, "users.update_balance", user_id=42, amount_kopeks=50000, producer="bot")
    done(engine, "apps.upsert", app_id="1298199463", store_id=23)
    done(engine, "apps.update_balance", app_id="1298199463", store_id=23, balance=250, producer="salla")
    ask(engine, "wallets.debit", wallet_id="w_1", credits=10_000, producer="metering")
    endpoint = UUID(done(engine, "webhooks.add", name="shop", url="https://shop.example/", kinds=["wallet"])["job_id"])
    with transaction(engine) as connection:
        dead_letters.park(connection, [LETTER])
        added = endpoints.lock(connection, [endpoint])[endpoint]
    settle(engine, disable_job(added, DisabledFor.GONE))
    found: dict[str, Document] = {}
    for kind, payload in events(engine):
        found.setdefault(kind, payload)
    return found


def shape(value: Any) -> Any:
    """What there is, without what it says: names, and types where they are not absent."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def test_each_example_has_the_shape_of_a_real_one(told: dict[str, Document]) -> None:
    assert set(told) == set(EVENT_EXAMPLES)
    for kind, event in told.items():
        found = validator(SCHEMAS[event_schema(EventType(kind))]).iter_errors(event)
        assert [error.message for error in found] == [], kind
    for kind, example in EVENT_EXAMPLES.items():
        assert shape(example) == shape(told[kind]), kind
