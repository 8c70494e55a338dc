"""The form in which receivers get an event: what it is of, and the facts that the job's answer does not say."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from models.batch.system_jobs import expire_job, hold_job, warn_job
from models.contracts.wire.dead_letter import DeadLetter
from models.domain.accounts import AccountKey, Kind
from models.store.connection.session import transaction
from models.store.write import dead_letters
from models.store.write.dead_letters import SentLetter
from tests.support.builders import ask, done, events, execute, job, let_expire, rows, settle
from tests.support.resealed import execute_resealed

USER = "user.balance.updated"
REJECTED = "job.rejected"
PARKED = "dead_letter.parked"
W = AccountKey(Kind.WALLET, "w")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
BOUGHT: dict[str, Any] = {"wallet_id": "w", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    """With user 1, and wallet w."""
    done(emptied, "users.upsert", user_id=1)
    done(emptied, "wallets.create", wallet_id="w")
    execute(emptied, "delete from outbox")
    return emptied


def data_of(engine: Engine, kind: str) -> dict[str, Any]:
    [data] = [payload["data"] for told, payload in events(engine) if told == kind]
    return dict(data)


def test_the_event_of_a_change_tells_the_entry_and_the_account(engine: Engine) -> None:
    document = done(engine, "users.update_balance", user_id=1, amount_kopeks=5, producer="shop", idempotency_key="k")
    [(kind, payload)] = events(engine)
    assert payload == {
        "id": f"{document['job_id']}.{USER}",
        "type": kind,
        "version": 1,
        "occurred_at": document["entry"]["created_at"],
        "job_id": document["job_id"],
        "producer": "shop",
        "idempotency_key": "k",
        "account": "user:1",
        "seq": document["entry"]["seq"],
        "data": {
            "entry": document["entry"],
            "account": {**document["response"], "balance_rubles": float(document["response"]["balance_rubles"])},
        },
    }


def test_the_event_of_a_refusal_tells_the_code_and_the_error(engine: Engine) -> None:
    document = ask(engine, "users.update_balance", user_id=404, amount_kopeks=5)
    [(_, payload)] = events(engine)
    assert TIME.fullmatch(payload.pop("occurred_at"))
    assert payload == {
        "id": f"{document['job_id']}.{REJECTED}",
        "type": REJECTED,
        "version": 1,
        "seq": None,
        "job_id": document["job_id"],
        "producer": "default",
        "idempotency_key": document["idempotency_key"],
        "account": None,
        "data": {"name": "users.update_balance", "code": "user_not_found", "error": document["error"]},
    }


def test_letters_are_told(engine: Engine) -> None:
    letter = DeadLetter("failed", "e", "users.upsert", "1", "balance", {}, b"[]", attempts=2, producer="shop", key="k")
    with transaction(engine) as connection:
        [letter_id] = dead_letters.park(connection, [letter])
        dead_letters.park(connection, [letter])  # it merely comes again
    with transaction(engine) as connection:
        assert dead_letters.mark_replayed(connection, [SentLetter(letter_id, 4)]) == 1
        dead_letters.park(connection, [letter, letter])
    (first, told), (again, later) = events(engine)
    assert first == again == PARKED
    assert TIME.fullmatch(told.pop("occurred_at"))
    assert told == {
        "id": f"{letter_id}.2.{PARKED}",
        "type": PARKED,
        "version": 1,
        "account": None,
        "job_id": None,
        "producer": "shop",
        "idempotency_key": "k",
        "seq": None,
        "data": {
            "letter": {
                "id": str(letter_id),
                "reason": "failed",
                "error": "e",
                "task": "users.upsert",
                "queue": "balance",
                "producer": "shop",
                "idempotency_key": "k",
                "attempts": 2,
            }
        },
    }
    assert (later["id"], later["data"]["letter"]["attempts"]) == (f"{letter_id}.8.{PARKED}", 8)


def test_of_two_entries_both_are_told(engine: Engine) -> None:
    document = done(engine, "wallets.top_up", credits_to_add=5, bonus_credits_to_add="0.5", **BOUGHT)
    told = data_of(engine, "wallet.transaction.created")
    assert told == {name: document[name] for name in ("entry", "bonus_entry")} | {"account": document["response"]}
    assert (told["bonus_entry"]["seq"], [payload["seq"] for _, payload in events(engine)]) == (2, [2])


def test_an_app_is_told_with_its_balance(engine: Engine) -> None:
    done(engine, "apps.upsert", app_id="a", store_id="s")
    done(engine, "apps.update_balance", app_id="a", store_id="s", balance=7)
    done(engine, "accounts.set_alerts", account="app:a/s", thresholds=[8])
    app = {"app_id": "a", "store_id": "s", "balance": 7}
    assert data_of(engine, "app.balance.updated")["account"] == app
    assert data_of(engine, "balance.low") == {"entry": None, "account": app, "thresholds": [8], "level": 7}


def test_what_will_expire_and_what_has_is_told_in_credits(engine: Engine) -> None:
    grant = done(engine, "wallets.top_up", credits_to_add="5.25", expiry_date_utc="2999-01-01", **BOUGHT)["job_id"]
    done(engine, "wallets.debit", wallet_id="w", credits=1)
    settle(engine, warn_job(W, UUID(grant), 2))
    expiry = {"id": grant, "expires_at": "2999-01-02T00:00:00Z"}
    told = data_of(engine, "grant.will_expire")
    assert (told["grant"], told["entry"]) == ({**expiry, "remaining": 4.25}, None)
    let_expire(engine, grant)
    [answer] = settle(engine, expire_job(W, UUID(grant), 2))
    told = data_of(engine, "grant.expired")
    [row] = rows(engine, "select expires_at from grants")
    over = told.pop("grant")
    assert datetime.fromisoformat(over.pop("expires_at")) == row["expires_at"]
    assert over == {"id": grant, "amount": 4.25}
    assert told == {"entry": answer["entry"], "account": answer["response"]}


def test_every_hold_that_one_job_finds_run_out_is_told(engine: Engine) -> None:
    done(engine, "wallets.top_up", credits_to_add=10, **BOUGHT)
    ids = [done(engine, "wallets.hold", wallet_id="w", credits=credits)["job_id"] for credits in (3, "2.5")]
    done(engine, "holds.capture", job_id=ids[0], credits=1, final=False)
    execute_resealed(engine, "update holds set expires_at = now()")
    settle(engine, hold_job(W, UUID(ids[1])), hold_job(W, UUID(ids[0])))
    told = sorted(data_of(engine, "hold.expired")["holds"], key=lambda hold: ids.index(hold["id"]))
    assert [hold | {"expires_at": None} for hold in told] == [
        {"id": ids[0], "amount": 3, "captured": 1, "expired": 2, "expires_at": None},
        {"id": ids[1], "amount": 2.5, "captured": 0, "expired": 2.5, "expires_at": None},
    ]


def test_a_voided_grant_does_not_expire(engine: Engine) -> None:
    grant = done(engine, "wallets.top_up", credits_to_add=5, priority=1, **BOUGHT)["job_id"]
    held = done(engine, "wallets.hold", wallet_id="w", credits=2)["job_id"]
    done(engine, "grants.void", wallet_id="w", job_id=grant, reason="r", operator="o")
    done(engine, "holds.release", job_id=held)
    [answer] = settle(engine, expire_job(W, UUID(grant), 4))
    assert answer["entry"]["amount"] == -2_000_000_000, "what came back to it is gone"
    assert "grant.expired" not in {kind for kind, _ in events(engine)}


def test_an_event_carries_the_trace_of_its_job(engine: Engine) -> None:
    """Also one that tells more than the job's answer does. Without a trace it has no such field."""
    done(engine, "wallets.top_up", **BOUGHT, credits_to_add="5", expiry_date_utc="2999-01-01T00:00:00Z")
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    settle(engine, replace(job("wallets.debit", wallet_id="w", credits="1"), traceparent=traceparent))
    found = [payload for _, payload in events(engine)]
    told = [payload for payload in found if "traceparent" in payload]
    assert {payload["traceparent"] for payload in told} == {traceparent}
    assert 0 < len(told) < len(found)
    assert not any("traceparent" in payload["data"] for payload in found)
