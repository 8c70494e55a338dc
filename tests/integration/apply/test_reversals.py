"""entries.reverse on a real database: answered with the body of the account, refused in the shape of the wallets."""

from typing import Any

import pytest

from tests.support.builders import ask, balance, done, entries, grants_left, job, let_expire, refused, settle
from tests.support.ledgers import Ledger

MISSING = "01a1fc91-69b2-7000-86fb-9f8528cdc254"


@pytest.fixture
def user(ledger: Ledger) -> str:
    """The id of the job that gave user 1 its 100."""
    done(ledger, "users.upsert", user_id=1)
    return str(done(ledger, "users.update_balance", user_id=1, amount_kopeks=100, metadata={"a": "1"})["job_id"])


def top_up(ledger: Ledger, credits: int, **fields: Any) -> str:
    common = {"wallet_id": "w", "credits_to_add": credits, "transaction_reason": "FREE_CREDIT_GRANT"}
    return str(done(ledger, "wallets.top_up", **common, **fields)["job_id"])


def reverse(ledger: Ledger, job_id: str, /, **fields: Any) -> dict[str, Any]:
    return ask(ledger, "entries.reverse", job_id=job_id, **fields)


def body(message: str, code: str, **details: Any) -> dict[str, Any]:
    return {"success": False, "error": {"message": message, "internal_error": code, "details": details}}


def test_takes_an_entry_of_a_user_back_and_shows_the_user(ledger: Ledger, user: str) -> None:
    document = reverse(ledger, user, description="mistake", metadata={"ticket": "7"})
    assert document["entry"].items() >= {"account": "user:1", "seq": 2, "amount": -100, "balance_after": 0}.items()
    assert (document["response"]["id"], document["response"]["balance_kopeks"]) == (1, 0)
    entry = entries(ledger, "user:1")[1]
    assert (entry["kind"], entry["reverses"], entry["description"]) == ("reversal", 1, "mistake")
    assert entry["metadata"] == {"ticket": "7"}


def test_takes_a_set_back_and_shows_the_app(ledger: Ledger) -> None:
    done(ledger, "apps.upsert", app_id="a", store_id=1)
    done(ledger, "apps.update_balance", app_id="a", store_id=1, balance=100)
    lowered = done(ledger, "apps.update_balance", app_id="a", store_id=1, balance=30)
    document = reverse(ledger, lowered["job_id"])
    assert (document["entry"]["amount"], document["response"]["status"]) == (70, 201)
    assert balance(ledger, "app:a/1") == 100


def test_once_also_within_one_batch(ledger: Ledger, user: str) -> None:
    first, second = settle(ledger, job("entries.reverse", job_id=user), job("entries.reverse", job_id=user))
    assert (first["code"], second["code"], second["entry"]) == ("applied", "unchanged", None)
    assert reverse(ledger, user)["code"] == "unchanged"
    assert balance(ledger, "user:1") == 0


def test_in_parts_until_nothing_is_left(ledger: Ledger, user: str) -> None:
    parts = [job("entries.reverse", job_id=user, amount=part) for part in (30, 30)]
    assert [document["entry"]["amount"] for document in settle(ledger, *parts)] == [-30, -30]
    document = reverse(ledger, user, amount=41)
    message = "More is asked back than has not been reversed yet"
    entry = f"{entries(ledger, 'user:1')[0]['account_id']}-1"
    refused(
        document,
        "reversal_exceeds_entry",
        409,
        body(message, "reversal_exceeds_entry", entry=entry, requested=41, left=40),
    )
    assert reverse(ledger, user)["entry"]["amount"] == -40
    assert reverse(ledger, user, amount=1)["code"] == "unchanged"


def test_a_reversal_is_final(ledger: Ledger, user: str) -> None:
    reversal = reverse(ledger, user)
    document = reverse(ledger, reversal["job_id"])
    message = "An entry of kind reversal cannot be reversed"
    refused(document, "not_reversible", 409, body(message, "not_reversible", entry=reversal["entry"]["id"]))


def test_spent_funds_hold_it_back_unless_it_is_forced(ledger: Ledger, user: str) -> None:
    done(ledger, "users.update_balance", user_id=1, amount_kopeks=-1)
    document = reverse(ledger, user)
    message = "The funds have been spent; use force to reverse all the same"
    entry = f"{entries(ledger, 'user:1')[0]['account_id']}-1"
    details = {"entry": entry, "balance": 99, "amount": -100}
    refused(document, "insufficient_funds", 409, body(message, "insufficient_funds", **details))
    assert reverse(ledger, user, force=True)["response"]["balance_kopeks"] == -1


def test_of_a_job_that_wrote_no_entry_is_404(ledger: Ledger) -> None:
    upsert = done(ledger, "users.upsert", user_id=1)["job_id"]
    for job_id in (MISSING, upsert):
        answer = body("No entry was written by a job with this id", "job_not_found", job_id=job_id)
        refused(reverse(ledger, job_id), "job_not_found", 404, answer)


@pytest.mark.parametrize("job_id", ["1", 7, None, "01a1fc91"])
def test_the_job_id_must_be_that_of_an_outcome(ledger: Ledger, job_id: Any) -> None:
    document = reverse(ledger, job_id)
    assert (document["code"], document["error"]["status"]) == ("invalid_request", 400)


def test_a_debit_gives_grants_back_what_it_drew_also_those_it_used_up(ledger: Ledger) -> None:
    done(ledger, "wallets.create", wallet_id="w", scale=0)
    used_up = top_up(ledger, 5, priority=0)
    over, drawn = (top_up(ledger, 5, expiry_date_utc=date) for date in ("2998-01-01", "2999-01-01"))
    debit = done(ledger, "wallets.debit", wallet_id="w", credits=12)
    let_expire(ledger, over)
    assert reverse(ledger, debit["job_id"])["response"]["credit_balance"] == 15
    left = {str(grant): units for grant, units in grants_left(ledger).items()}
    assert left == {used_up: 5, over: 0, drawn: 5}, "what came from an expired grant returns as plain credits"
    assert done(ledger, "wallets.debit", wallet_id="w", credits=15)["response"]["credit_balance"] == 0


def test_a_grant_is_taken_back_with_what_is_left_of_it(ledger: Ledger) -> None:
    done(ledger, "wallets.create", wallet_id="w", scale=0)
    grant = top_up(ledger, 5, priority=0)
    top_up(ledger, 10)
    done(ledger, "wallets.debit", wallet_id="w", credits=2)
    assert reverse(ledger, grant)["code"] == "insufficient_funds"
    assert reverse(ledger, grant, force=True)["response"]["credit_balance"] == 8
    assert list(grants_left(ledger).values()) == [0]
