"""wallets.hold, holds.capture, holds.release, and holds that run out."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.builders import ask, balance, done, entries, refused, rows, shown, sweep
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.resealed import execute_resealed

MISSING = "01a1fc91-69b2-7000-86fb-9f8528cdc254"


@pytest.fixture
def wallet(engine: Engine) -> str:
    """Fifty plain credits and thirty of a grant."""
    done(engine, "wallets.create", wallet_id="w", scale=0, conversion_rate=2)
    common = {"wallet_id": "w", "transaction_reason": "INVOICE_REFUND"}
    done(engine, "wallets.top_up", credits_to_add=50, **common)
    done(engine, "wallets.top_up", credits_to_add=30, priority=1, **common)
    return "wallet:w"


def hold(engine: Engine, credits: int, **fields: Any) -> str:
    return str(done(engine, "wallets.hold", wallet_id="w", credits=credits, **fields)["job_id"])


def capture(engine: Engine, hold_id: str, **fields: Any) -> dict[str, Any]:
    return ask(engine, "holds.capture", job_id=hold_id, **fields)


def error(engine: Engine, document: dict[str, Any]) -> tuple[str, int]:
    assert document["status"] == "rejected"
    return document["code"], document["error"]["status"]


def test_a_hold_lowers_what_can_be_spent_and_not_the_balance(engine: Engine, wallet: str) -> None:
    document = done(engine, "wallets.hold", wallet_id="w", credits=45, description="Ride 7")
    assert (document["response"]["credit_balance"], document["response"]["held"]) == (80, 45)
    assert document["entry"]["amount"] == 0
    assert shown(engine) == (80, 45, 35)
    refusal = ask(engine, "wallets.debit", wallet_id="w", credits=36)["error"]["body"]["error"]
    assert refusal["details"] == {"requested": "36", "available": "35"}
    [entry] = [entry for entry in entries(engine, wallet) if entry["kind"] == "hold"]
    [grant] = rows(engine, "select id, remaining, held from grants")
    assert (grant["remaining"], grant["held"]) == (0, 30), "grants are reserved first"
    assert entry["holds"] == [[document["job_id"], "hold", 45, [[str(grant["id"]), 30, -30]]]]


def test_amounts_in_currency_are_credits_at_the_rate(engine: Engine, wallet: str) -> None:
    held = str(done(engine, "wallets.hold", wallet_id="w", amount=20)["job_id"])
    assert shown(engine) == (80, 10, 70)
    assert capture(engine, held, amount=8)["entry"]["amount"] == -4


def test_a_capture_releases_the_rest_when_it_is_final(engine: Engine, wallet: str) -> None:
    held = hold(engine, 45)
    document = capture(engine, held, credits=35, description="Ride 7", metadata={"ride": "7"})
    assert (document["entry"]["amount"], document["response"]["held"]) == (-35, 0)
    assert shown(engine) == (45, 0, 45)
    [entry] = [entry for entry in entries(engine, wallet) if entry["kind"] == "capture"]
    assert (entry["reason"], entry["description"], entry["metadata"]) == ("INVOICE_PAYMENT", "Ride 7", {"ride": "7"})
    assert [row["remaining"] for row in rows(engine, "select remaining from grants")] == [0]
    again = capture(engine, held)
    message = "Nothing is left of the hold: it was captured"
    details = {"job_id": held, "ended": "captured"}
    body = {"success": False, "error": {"message": message, "internal_error": "hold_closed", "details": details}}
    refused(again, "hold_closed", 409, body)


def test_captures_of_parts_until_nothing_is_left(engine: Engine, wallet: str) -> None:
    held = hold(engine, 45)
    assert capture(engine, held, credits=20, final=False)["response"]["held"] == 25
    beyond = capture(engine, held, credits=26)
    assert error(engine, beyond) == ("capture_exceeds_hold", 409)
    assert beyond["error"]["body"]["error"]["details"] == {"requested": "26", "left": "25"}
    assert capture(engine, held, final=False)["entry"]["amount"] == -25
    assert shown(engine) == (35, 0, 35)
    assert rows(engine, "select ended, captured, remaining from holds") == [
        {"ended": "captured", "captured": 45, "remaining": 0}
    ]


def test_a_release_gives_back_where_it_came_from(engine: Engine, wallet: str) -> None:
    held = hold(engine, 45)
    assert capture(engine, held, credits=10, final=False)["code"] == "applied"
    document = done(engine, "holds.release", job_id=held)
    assert (document["entry"]["amount"], document["response"]["held"]) == (0, 0)
    assert shown(engine) == (70, 0, 70)
    assert rows(engine, "select remaining, held from grants") == [{"remaining": 20, "held": 0}]
    assert error(engine, ask(engine, "holds.release", job_id=held)) == ("hold_closed", 409)


@pytest.mark.parametrize("swept", [True, False])
def test_a_hold_that_ran_out_reserves_nothing_swept_or_not(engine: Engine, wallet: str, swept: bool) -> None:
    held = hold(engine, 45, expires_in_s=60)
    execute_resealed(engine, "update holds set expires_at = clock_timestamp()")
    assert shown(engine) == (80, 0, 80)
    if swept:
        assert sweep(engine) == 1
    for name in ("holds.capture", "holds.release"):
        assert error(engine, ask(engine, name, job_id=held)) == ("hold_expired", 409)
    assert done(engine, "wallets.debit", wallet_id="w", credits=80)["response"]["credit_balance"] == 0
    assert sweep(engine) == 0
    assert rows(engine, "select ended, remaining from holds") == [{"ended": "expired", "remaining": 0}]


def test_how_long_a_hold_lasts(engine: Engine, wallet: str) -> None:
    [clock] = rows(engine, "select clock_timestamp() as now")

    def until(**fields: timedelta) -> dict[str, str]:
        return {name: (clock["now"] + by).isoformat() for name, by in fields.items()}

    def ends_in(held: str) -> timedelta:
        [row] = rows(engine, "select expires_at - created_at as lasts from holds where id = cast(:id as uuid)", id=held)
        lasts: timedelta = row["lasts"]
        return lasts

    assert ends_in(hold(engine, 1)) == timedelta(hours=1)
    assert ends_in(hold(engine, 1, expires_in_s=90)) == timedelta(seconds=90)
    ask_for = {"wallet_id": "w", "credits": 1}
    past = ask(engine, "wallets.hold", **ask_for, **until(expires_at=timedelta(0)))
    assert error(engine, past) == ("expiry_not_in_future", 400)
    long = ask(engine, "wallets.hold", **ask_for, **until(expires_at=timedelta(days=31)))
    assert error(engine, long) == ("hold_too_long", 400)
    assert error(engine, ask(engine, "wallets.hold", **ask_for, expires_in_s=30 * 86_400 + 1))[0] == "invalid_request"
    both = ask(engine, "wallets.hold", **ask_for, expires_in_s=5, **until(expires_at=timedelta(hours=2)))
    assert error(engine, both) == ("invalid_request", 400)


def test_a_hold_is_against_what_is_there_and_the_floor(engine: Engine, wallet: str) -> None:
    assert error(engine, ask(engine, "wallets.hold", wallet_id="w", credits=81)) == ("insufficient_funds", 409)
    done(engine, "wallets.update", wallet_id="w", floor=-20)
    held = hold(engine, 100)
    assert error(engine, ask(engine, "wallets.debit", wallet_id="w", credits=1)) == ("insufficient_funds", 409)
    raised = ask(engine, "wallets.update", wallet_id="w", floor=-19)
    assert error(engine, raised) == ("credits_held", 409)
    assert capture(engine, held)["entry"]["balance_after"] == -20


def test_what_is_no_hold_is_404(engine: Engine, wallet: str) -> None:
    debit = str(done(engine, "wallets.debit", wallet_id="w", credits=1)["job_id"])
    for of in (MISSING, debit):
        for name in ("holds.capture", "holds.release"):
            assert error(engine, ask(engine, name, job_id=of)) == ("hold_not_found", 404)


def test_a_hold_is_not_reversed_and_a_capture_is(engine: Engine, wallet: str) -> None:
    held = hold(engine, 45)
    assert error(engine, ask(engine, "entries.reverse", job_id=held)) == ("not_reversible", 409)
    captured = capture(engine, held, credits=40)
    document = done(engine, "entries.reverse", job_id=captured["job_id"], credits=12)
    assert document["response"]["credit_balance"] == 52
    assert rows(engine, "select remaining from grants") == [{"remaining": 2}], "plain first, then the grant"
    assert ask(engine, "entries.reverse", job_id=captured["job_id"])["entry"]["amount"] == 28
    assert rows(engine, "select remaining from grants") == [{"remaining": 30}]


def test_a_frozen_wallet_pays_nothing_and_gives_holds_back(engine: Engine, wallet: str) -> None:
    held = hold(engine, 10)
    done(engine, "wallets.update", wallet_id="w", wallet_status="frozen")
    assert error(engine, ask(engine, "wallets.hold", wallet_id="w", credits=1)) == ("wallet_frozen", 409)
    assert error(engine, capture(engine, held)) == ("wallet_frozen", 409)
    assert done(engine, "holds.release", job_id=held)["response"]["held"] == 0


def test_a_wallet_with_holds_is_not_closed(engine: Engine, wallet: str) -> None:
    held = hold(engine, 10)
    document = ask(engine, "wallets.terminate", wallet_id="w")
    assert error(engine, document) == ("credits_held", 409)
    done(engine, "holds.release", job_id=held)
    assert done(engine, "wallets.terminate", wallet_id="w")["entry"]["amount"] == -80


def test_a_forced_reversal_takes_what_holds_had_reserved(engine: Engine, wallet: str) -> None:
    top_up = done(
        engine, "wallets.top_up", wallet_id="w", credits_to_add=100, transaction_reason="PURCHASED_CREDIT_DIRECT"
    )
    held = hold(engine, 170)
    assert ask(engine, "entries.reverse", job_id=top_up["job_id"])["code"] == "insufficient_funds"
    document = done(engine, "entries.reverse", job_id=top_up["job_id"], force=True)
    assert (document["response"]["credit_balance"], document["response"]["held"]) == (80, 80)
    assert capture(engine, held, credits=81)["code"] == "capture_exceeds_hold"
    assert capture(engine, held)["response"]["credit_balance"] == 0
    assert balance(engine, wallet) == 0


def test_holds_in_one_batch_see_each_other(engine: Engine, wallet: str) -> None:
    from tests.support.builders import job, settle

    asked = [job("wallets.hold", wallet_id="w", credits=credits) for credits in (30, 30, 30)]
    assert [document["code"] for document in settle(engine, *asked)] == ["applied", "applied", "insufficient_funds"]
    assert shown(engine) == (80, 60, 20)


def test_what_a_hold_has_of_a_voided_grant_goes_when_all_the_rest_was_not_enough(engine: Engine, wallet: str) -> None:
    top_up = {"wallet_id": "w", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
    grant = done(engine, "wallets.top_up", credits_to_add=50, priority=1, **top_up)["job_id"]
    plain = done(engine, "wallets.top_up", credits_to_add=30, **top_up)["job_id"]
    held = hold(engine, 50)
    done(engine, "grants.void", wallet_id="w", job_id=grant, reason="by mistake", operator="olga")
    done(engine, "wallets.debit", wallet_id="w", credits=110)
    done(engine, "entries.reverse", job_id=plain, force=True)
    assert shown(engine) == (-30, 0, -30)
    assert_ledger_is_coherent(engine)
    assert error(engine, capture(engine, held)) == ("hold_closed", 409)
    sweep(engine)
    assert shown(engine) == (-30, 0, -30)
