"""wallets.hold, holds.capture, holds.release, and holds that run out."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.builders import ask, balance, done, entries, refused, shown, sweep
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.ledgers import Ledger, clock, kept, let_time

MISSING = "01a1fc91-69b2-7000-86fb-9f8528cdc254"


@pytest.fixture
def wallet(ledger: Ledger) -> str:
    """Fifty plain credits and thirty of a grant."""
    done(ledger, "wallets.create", wallet_id="w", scale=0, conversion_rate=2)
    common = {"wallet_id": "w", "transaction_reason": "INVOICE_REFUND"}
    done(ledger, "wallets.top_up", credits_to_add=50, **common)
    done(ledger, "wallets.top_up", credits_to_add=30, priority=1, **common)
    return "wallet:w"


def hold(ledger: Ledger, credits: int, **fields: Any) -> str:
    return str(done(ledger, "wallets.hold", wallet_id="w", credits=credits, **fields)["job_id"])


def capture(ledger: Ledger, hold_id: str, **fields: Any) -> dict[str, Any]:
    return ask(ledger, "holds.capture", job_id=hold_id, **fields)


def error(ledger: Ledger, document: dict[str, Any]) -> tuple[str, int]:
    assert document["status"] == "rejected"
    return document["code"], document["error"]["status"]


def test_a_hold_lowers_what_can_be_spent_and_not_the_balance(ledger: Ledger, wallet: str) -> None:
    document = done(ledger, "wallets.hold", wallet_id="w", credits=45, description="Ride 7")
    assert (document["response"]["credit_balance"], document["response"]["held"]) == (80, 45)
    assert document["entry"]["amount"] == 0
    assert shown(ledger) == (80, 45, 35)
    refusal = ask(ledger, "wallets.debit", wallet_id="w", credits=36)["error"]["body"]["error"]
    assert refusal["details"] == {"requested": "36", "available": "35"}
    [entry] = [entry for entry in entries(ledger, wallet) if entry["kind"] == "hold"]
    [grant] = kept(ledger, "grants", "id", "remaining", "held")
    assert (grant["remaining"], grant["held"]) == (0, 30), "grants are reserved first"
    assert entry["holds"] == [[document["job_id"], "hold", 45, [[str(grant["id"]), 30, -30]]]]


def test_amounts_in_currency_are_credits_at_the_rate(ledger: Ledger, wallet: str) -> None:
    held = str(done(ledger, "wallets.hold", wallet_id="w", amount=20)["job_id"])
    assert shown(ledger) == (80, 10, 70)
    assert capture(ledger, held, amount=8)["entry"]["amount"] == -4


def test_a_capture_releases_the_rest_when_it_is_final(ledger: Ledger, wallet: str) -> None:
    held = hold(ledger, 45)
    document = capture(ledger, held, credits=35, description="Ride 7", metadata={"ride": "7"})
    assert (document["entry"]["amount"], document["response"]["held"]) == (-35, 0)
    assert shown(ledger) == (45, 0, 45)
    [entry] = [entry for entry in entries(ledger, wallet) if entry["kind"] == "capture"]
    assert (entry["reason"], entry["description"], entry["metadata"]) == ("INVOICE_PAYMENT", "Ride 7", {"ride": "7"})
    assert [row["remaining"] for row in kept(ledger, "grants", "remaining")] == [0]
    again = capture(ledger, held)
    message = "Nothing is left of the hold: it was captured"
    details = {"job_id": held, "ended": "captured"}
    body = {"success": False, "error": {"message": message, "internal_error": "hold_closed", "details": details}}
    refused(again, "hold_closed", 409, body)


def test_captures_of_parts_until_nothing_is_left(ledger: Ledger, wallet: str) -> None:
    held = hold(ledger, 45)
    assert capture(ledger, held, credits=20, final=False)["response"]["held"] == 25
    beyond = capture(ledger, held, credits=26)
    assert error(ledger, beyond) == ("capture_exceeds_hold", 409)
    assert beyond["error"]["body"]["error"]["details"] == {"requested": "26", "left": "25"}
    assert capture(ledger, held, final=False)["entry"]["amount"] == -25
    assert shown(ledger) == (35, 0, 35)
    assert kept(ledger, "holds", "ended", "captured", "remaining") == [
        {"ended": "captured", "captured": 45, "remaining": 0}
    ]


def test_a_release_gives_back_where_it_came_from(ledger: Ledger, wallet: str) -> None:
    held = hold(ledger, 45)
    assert capture(ledger, held, credits=10, final=False)["code"] == "applied"
    document = done(ledger, "holds.release", job_id=held)
    assert (document["entry"]["amount"], document["response"]["held"]) == (0, 0)
    assert shown(ledger) == (70, 0, 70)
    assert kept(ledger, "grants", "remaining", "held") == [{"remaining": 20, "held": 0}]
    assert error(ledger, ask(ledger, "holds.release", job_id=held)) == ("hold_closed", 409)


@pytest.mark.parametrize("swept", [True, False])
def test_a_hold_that_ran_out_reserves_nothing_swept_or_not(ledger: Ledger, wallet: str, swept: bool) -> None:
    held = hold(ledger, 45, expires_in_s=60)
    let_time(ledger, "holds", "expires_at")
    assert shown(ledger) == (80, 0, 80)
    if swept:
        assert sweep(ledger) == 1
    for name in ("holds.capture", "holds.release"):
        assert error(ledger, ask(ledger, name, job_id=held)) == ("hold_expired", 409)
    assert done(ledger, "wallets.debit", wallet_id="w", credits=80)["response"]["credit_balance"] == 0
    assert sweep(ledger) == 0
    assert kept(ledger, "holds", "ended", "remaining") == [{"ended": "expired", "remaining": 0}]


def test_how_long_a_hold_lasts(ledger: Ledger, wallet: str) -> None:
    now = clock(ledger)

    def until(**fields: timedelta) -> dict[str, str]:
        return {name: (now + by).isoformat() for name, by in fields.items()}

    def ends_in(held: str) -> timedelta:
        [row] = [each for each in kept(ledger, "holds") if str(each["id"]) == held]
        lasts: timedelta = row["expires_at"] - row["created_at"]
        return lasts

    assert ends_in(hold(ledger, 1)) == timedelta(hours=1)
    assert ends_in(hold(ledger, 1, expires_in_s=90)) == timedelta(seconds=90)
    ask_for = {"wallet_id": "w", "credits": 1}
    past = ask(ledger, "wallets.hold", **ask_for, **until(expires_at=timedelta(0)))
    assert error(ledger, past) == ("expiry_not_in_future", 400)
    long = ask(ledger, "wallets.hold", **ask_for, **until(expires_at=timedelta(days=31)))
    assert error(ledger, long) == ("hold_too_long", 400)
    assert error(ledger, ask(ledger, "wallets.hold", **ask_for, expires_in_s=30 * 86_400 + 1))[0] == "invalid_request"
    both = ask(ledger, "wallets.hold", **ask_for, expires_in_s=5, **until(expires_at=timedelta(hours=2)))
    assert error(ledger, both) == ("invalid_request", 400)


def test_a_hold_is_against_what_is_there_and_the_floor(ledger: Ledger, wallet: str) -> None:
    assert error(ledger, ask(ledger, "wallets.hold", wallet_id="w", credits=81)) == ("insufficient_funds", 409)
    done(ledger, "wallets.update", wallet_id="w", floor=-20)
    held = hold(ledger, 100)
    assert error(ledger, ask(ledger, "wallets.debit", wallet_id="w", credits=1)) == ("insufficient_funds", 409)
    raised = ask(ledger, "wallets.update", wallet_id="w", floor=-19)
    assert error(ledger, raised) == ("credits_held", 409)
    assert capture(ledger, held)["entry"]["balance_after"] == -20


def test_what_is_no_hold_is_404(ledger: Ledger, wallet: str) -> None:
    debit = str(done(ledger, "wallets.debit", wallet_id="w", credits=1)["job_id"])
    for of in (MISSING, debit):
        for name in ("holds.capture", "holds.release"):
            assert error(ledger, ask(ledger, name, job_id=of)) == ("hold_not_found", 404)


def test_a_hold_is_not_reversed_and_a_capture_is(ledger: Ledger, wallet: str) -> None:
    held = hold(ledger, 45)
    assert error(ledger, ask(ledger, "entries.reverse", job_id=held)) == ("not_reversible", 409)
    captured = capture(ledger, held, credits=40)
    document = done(ledger, "entries.reverse", job_id=captured["job_id"], credits=12)
    assert document["response"]["credit_balance"] == 52
    assert kept(ledger, "grants", "remaining") == [{"remaining": 2}], "plain first, then the grant"
    assert ask(ledger, "entries.reverse", job_id=captured["job_id"])["entry"]["amount"] == 28
    assert kept(ledger, "grants", "remaining") == [{"remaining": 30}]


def test_a_frozen_wallet_pays_nothing_and_gives_holds_back(ledger: Ledger, wallet: str) -> None:
    held = hold(ledger, 10)
    done(ledger, "wallets.update", wallet_id="w", wallet_status="frozen")
    assert error(ledger, ask(ledger, "wallets.hold", wallet_id="w", credits=1)) == ("wallet_frozen", 409)
    assert error(ledger, capture(ledger, held)) == ("wallet_frozen", 409)
    assert done(ledger, "holds.release", job_id=held)["response"]["held"] == 0


def test_a_wallet_with_holds_is_not_closed(ledger: Ledger, wallet: str) -> None:
    held = hold(ledger, 10)
    document = ask(ledger, "wallets.terminate", wallet_id="w")
    assert error(ledger, document) == ("credits_held", 409)
    done(ledger, "holds.release", job_id=held)
    assert done(ledger, "wallets.terminate", wallet_id="w")["entry"]["amount"] == -80


def test_a_forced_reversal_takes_what_holds_had_reserved(ledger: Ledger, wallet: str) -> None:
    top_up = done(
        ledger, "wallets.top_up", wallet_id="w", credits_to_add=100, transaction_reason="PURCHASED_CREDIT_DIRECT"
    )
    held = hold(ledger, 170)
    assert ask(ledger, "entries.reverse", job_id=top_up["job_id"])["code"] == "insufficient_funds"
    document = done(ledger, "entries.reverse", job_id=top_up["job_id"], force=True)
    assert (document["response"]["credit_balance"], document["response"]["held"]) == (80, 80)
    assert capture(ledger, held, credits=81)["code"] == "capture_exceeds_hold"
    assert capture(ledger, held)["response"]["credit_balance"] == 0
    assert balance(ledger, wallet) == 0


def test_holds_in_one_batch_see_each_other(ledger: Ledger, wallet: str) -> None:
    from tests.support.builders import job, settle

    asked = [job("wallets.hold", wallet_id="w", credits=credits) for credits in (30, 30, 30)]
    assert [document["code"] for document in settle(ledger, *asked)] == ["applied", "applied", "insufficient_funds"]
    assert shown(ledger) == (80, 60, 20)


def test_what_a_hold_has_of_a_voided_grant_goes_when_all_the_rest_was_not_enough(ledger: Ledger, wallet: str) -> None:
    top_up = {"wallet_id": "w", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
    grant = done(ledger, "wallets.top_up", credits_to_add=50, priority=1, **top_up)["job_id"]
    plain = done(ledger, "wallets.top_up", credits_to_add=30, **top_up)["job_id"]
    held = hold(ledger, 50)
    done(ledger, "grants.void", wallet_id="w", job_id=grant, reason="by mistake", operator="olga")
    done(ledger, "wallets.debit", wallet_id="w", credits=110)
    done(ledger, "entries.reverse", job_id=plain, force=True)
    assert shown(ledger) == (-30, 0, -30)
    if isinstance(ledger, Engine):
        assert_ledger_is_coherent(ledger)
    assert error(ledger, capture(ledger, held)) == ("hold_closed", 409)
    sweep(ledger)
    assert shown(ledger) == (-30, 0, -30)
