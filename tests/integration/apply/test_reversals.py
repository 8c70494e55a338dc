"""entries.reverse on a real database: answered with the body of the account, refused in the shape of the wallets."""

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.builders import ask, balance, done, entries, grants_left, job, let_expire, refused, settle

MISSING = "01a1fc91-69b2-7000-86fb-9f8528cdc254"


@pytest.fixture
def user(engine: Engine) -> str:
    """The id of the job that gave user 1 its 100."""
    done(engine, "users.upsert", user_id=1)
    return str(done(engine, "users.update_balance", user_id=1, amount_kopeks=100, metadata={"a": "1"})["job_id"])


def top_up(engine: Engine, credits: int, **fields: Any) -> str:
    common = {"wallet_id": "w", "credits_to_add": credits, "transaction_reason": "FREE_CREDIT_GRANT"}
    return str(done(engine, "wallets.top_up", **common, **fields)["job_id"])


def reverse(engine: Engine, job_id: str, /, **fields: Any) -> dict[str, Any]:
    return ask(engine, "entries.reverse", job_id=job_id, **fields)


def body(message: str, code: str, **details: Any) -> dict[str, Any]:
    return {"success": False, "error": {"message": message, "internal_error": code, "details": details}}


def test_takes_an_entry_of_a_user_back_and_shows_the_user(engine: Engine, user: str) -> None:
    document = reverse(engine, user, description="mistake", metadata={"ticket": "7"})
    assert document["entry"].items() >= {"account": "user:1", "seq": 2, "amount": -100, "balance_after": 0}.items()
    assert (document["response"]["id"], document["response"]["balance_kopeks"]) == (1, 0)
    entry = entries(engine, "user:1")[1]
    assert (entry["kind"], entry["reverses"], entry["description"]) == ("reversal", 1, "mistake")
    assert entry["metadata"] == {"ticket": "7"}


def test_takes_a_set_back_and_shows_the_app(engine: Engine) -> None:
    done(engine, "apps.upsert", app_id="a", store_id=1)
    done(engine, "apps.update_balance", app_id="a", store_id=1, balance=100)
    lowered = done(engine, "apps.update_balance", app_id="a", store_id=1, balance=30)
    document = reverse(engine, lowered["job_id"])
    assert (document["entry"]["amount"], document["response"]["status"]) == (70, 201)
    assert balance(engine, "app:a/1") == 100


def test_once_also_within_one_batch(engine: Engine, user: str) -> None:
    first, second = settle(engine, job("entries.reverse", job_id=user), job("entries.reverse", job_id=user))
    assert (first["code"], second["code"], second["entry"]) == ("applied", "unchanged", None)
    assert reverse(engine, user)["code"] == "unchanged"
    assert balance(engine, "user:1") == 0


def test_in_parts_until_nothing_is_left(engine: Engine, user: str) -> None:
    parts = [job("entries.reverse", job_id=user, amount=part) for part in (30, 30)]
    assert [document["entry"]["amount"] for document in settle(engine, *parts)] == [-30, -30]
    document = reverse(engine, user, amount=41)
    message = "More is asked back than has not been reversed yet"
    entry = f"{entries(engine, 'user:1')[0]['account_id']}-1"
    refused(
        document,
        "reversal_exceeds_entry",
        409,
        body(message, "reversal_exceeds_entry", entry=entry, requested=41, left=40),
    )
    assert reverse(engine, user)["entry"]["amount"] == -40
    assert reverse(engine, user, amount=1)["code"] == "unchanged"


def test_a_reversal_is_final(engine: Engine, user: str) -> None:
    reversal = reverse(engine, user)
    document = reverse(engine, reversal["job_id"])
    message = "An entry of kind reversal cannot be reversed"
    refused(document, "not_reversible", 409, body(message, "not_reversible", entry=reversal["entry"]["id"]))


def test_spent_funds_hold_it_back_unless_it_is_forced(engine: Engine, user: str) -> None:
    done(engine, "users.update_balance", user_id=1, amount_kopeks=-1)
    document = reverse(engine, user)
    message = "The funds have been spent; use force to reverse all the same"
    entry = f"{entries(engine, 'user:1')[0]['account_id']}-1"
    details = {"entry": entry, "balance": 99, "amount": -100}
    refused(document, "insufficient_funds", 409, body(message, "insufficient_funds", **details))
    assert reverse(engine, user, force=True)["response"]["balance_kopeks"] == -1


def test_of_a_job_that_wrote_no_entry_is_404(engine: Engine) -> None:
    upsert = done(engine, "users.upsert", user_id=1)["job_id"]
    for job_id in (MISSING, upsert):
        answer = body("No entry was written by a job with this id", "job_not_found", job_id=job_id)
        refused(reverse(engine, job_id), "job_not_found", 404, answer)


@pytest.mark.parametrize("job_id", ["1", 7, None, "01a1fc91"])
def test_the_job_id_must_be_that_of_an_outcome(engine: Engine, job_id: Any) -> None:
    document = reverse(engine, job_id)
    assert (document["code"], document["error"]["status"]) == ("invalid_request", 400)


def test_a_debit_gives_grants_back_what_it_drew_also_those_it_used_up(engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="w", scale=0)
    used_up = top_up(engine, 5, priority=0)
    over, drawn = (top_up(engine, 5, expiry_date_utc=date) for date in ("2998-01-01", "2999-01-01"))
    debit = done(engine, "wallets.debit", wallet_id="w", credits=12)
    let_expire(engine, over)
    assert reverse(engine, debit["job_id"])["response"]["credit_balance"] == 15
    left = {str(grant): units for grant, units in grants_left(engine).items()}
    assert left == {used_up: 5, over: 0, drawn: 5}, "what came from an expired grant returns as plain credits"
    assert done(engine, "wallets.debit", wallet_id="w", credits=15)["response"]["credit_balance"] == 0


def test_a_grant_is_taken_back_with_what_is_left_of_it(engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="w", scale=0)
    grant = top_up(engine, 5, priority=0)
    top_up(engine, 10)
    done(engine, "wallets.debit", wallet_id="w", credits=2)
    assert reverse(engine, grant)["code"] == "insufficient_funds"
    assert reverse(engine, grant, force=True)["response"]["credit_balance"] == 8
    assert list(grants_left(engine).values()) == [0]
