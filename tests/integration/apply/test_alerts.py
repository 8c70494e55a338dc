"""accounts.set_alerts, and balance.low: each level is told once, each time it is passed downwards."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.builders import Document, ask, done, events, job, let_expire, settle, sweep
from tests.support.ledgers import Ledger, kept, move_back

BOUGHT: dict[str, Any] = {"wallet_id": "w", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    """With wallet w, in which there are 100 credits, user 1 with 5 roubles, and app a of store s with 7."""
    done(ledger, "wallets.create", wallet_id="w", floor=-50)
    done(ledger, "wallets.top_up", credits_to_add=100, **BOUGHT)
    done(ledger, "users.upsert", user_id=1)
    done(ledger, "users.update_balance", user_id=1, amount_kopeks=500)
    done(ledger, "apps.upsert", app_id="a", store_id="s")
    done(ledger, "apps.update_balance", app_id="a", store_id="s", balance=7)
    return ledger


def alerts(ledger: Ledger, *thresholds: int | str, account: str = "wallet:w") -> Document:
    return ask(ledger, "accounts.set_alerts", account=account, thresholds=[*thresholds])


def low(ledger: Ledger) -> list[tuple[list[float], float]]:
    """(thresholds, level) of what was told."""
    found = [payload["data"] for kind, payload in events(ledger) if kind == "balance.low"]
    return [(data["thresholds"], data["level"]) for data in found]


def top_up(ledger: Ledger, credits: int, **fields: Any) -> Document:
    return done(ledger, "wallets.top_up", credits_to_add=credits, **BOUGHT, **fields)


def debit(ledger: Ledger, credits: int) -> None:
    done(ledger, "wallets.debit", wallet_id="w", credits=credits)


def test_each_level_is_told_once_until_it_is_reached_again(ledger: Ledger) -> None:
    alerts(ledger, 10, 50, "10.50")
    for credits, told in [(50, []), (1, [([50], 49)]), (9, []), (39, [([10.5, 10], 1)]), (1, [])]:
        before = low(ledger)
        debit(ledger, credits)
        assert low(ledger)[len(before) :] == told
    top_up(ledger, 10)  # exactly at one of them, and below the others
    debit(ledger, 1)
    assert low(ledger)[2:] == [([10], 9)]
    top_up(ledger, 91)
    debit(ledger, 150)
    assert low(ledger)[3:] == [([50, 10.5, 10], -50)]


def test_what_is_set_is_answered_the_highest_first(ledger: Ledger) -> None:
    document = alerts(ledger, 1, 20, "20.0", 0, "-7.5")
    assert document["response"]["thresholds"] == [20, 1, 0, -7.5]
    assert document["response"]["level"] == 100
    assert document["response"]["account"]["credit_balance"] == 100
    [levels] = [row["low_at"] for row in kept(ledger, "accounts", "ref", "low_at") if row["ref"] == "w"]
    assert [*levels] == [20_000_000_000, 1_000_000_000, 0, -7_500_000_000]
    assert alerts(ledger, "-7.5", 0, 1, 20)["code"] == "unchanged"
    assert (alerts(ledger)["code"], alerts(ledger)["code"]) == ("applied", "unchanged")
    assert [each for each in kept(ledger, "accounts", "low_at") if each["low_at"] is not None] == []
    debit(ledger, 100)
    assert low(ledger) == []


def test_one_that_is_passed_already_is_told_when_it_is_set_and_not_again(ledger: Ledger) -> None:
    alerts(ledger, 120, 100, 80)
    alerts(ledger, 130, 120, 100, 80)
    assert low(ledger) == [([120], 100), ([130], 100)]
    debit(ledger, 1)
    assert low(ledger)[2:] == [([100], 99)]


@pytest.mark.parametrize(
    ("account", "thresholds", "move", "told"),
    [
        ("user:1", ["2.50"], ("users.update_balance", {"user_id": 1, "amount_kopeks": -251}), [([2.5], 2.49)]),
        ("app:a/s", [5, 3], ("apps.update_balance", {"app_id": "a", "store_id": "s", "balance": 4}), [([5], 4)]),
    ],
)
def test_users_have_roubles_and_apps_units(
    ledger: Ledger, account: str, thresholds: list[Any], move: tuple[str, dict[str, Any]], told: list[Any]
) -> None:
    alerts(ledger, *thresholds, account=account)
    done(ledger, move[0], **move[1])
    assert low(ledger) == told


def test_what_is_held_cannot_be_spent(ledger: Ledger) -> None:
    alerts(ledger, 60)
    held = done(ledger, "wallets.hold", wallet_id="w", credits=50)["job_id"]
    assert low(ledger) == [([60], 50)]
    done(ledger, "holds.release", job_id=held)
    debit(ledger, 41)
    assert low(ledger)[1:] == [([60], 59)]


def test_what_expires_is_told_by_the_sweep_or_by_whoever_comes_first_and_once(ledger: Ledger) -> None:
    grants = [top_up(ledger, 50, expiry_date_utc="2999-01-01")["job_id"] for _ in range(2)]
    alerts(ledger, 160, 110)
    let_expire(ledger, grants[0])
    sweep(ledger)
    assert low(ledger) == [([160], 150)]
    move_back(ledger, "accounts", timedelta(hours=1), "updated_at", wallet="w")
    let_expire(ledger, grants[1], timedelta(minutes=1))
    debit(ledger, 1)
    assert low(ledger)[1:] == [([110], 99)]
    sweep(ledger)
    assert len(low(ledger)) == 2


def test_a_look_that_changes_nothing_leaves_it_to_the_sweep(ledger: Ledger) -> None:
    grant = top_up(ledger, 50, expiry_date_utc="2999-01-01")["job_id"]
    alerts(ledger, 120)
    move_back(ledger, "accounts", timedelta(hours=1), "updated_at", wallet="w")
    let_expire(ledger, grant, timedelta(minutes=1))
    for _ in range(2):
        assert alerts(ledger, 120)["code"] == "unchanged"
    assert low(ledger) == []
    sweep(ledger)
    assert low(ledger) == [([120], 100)]


def test_in_one_batch_each_job_tells_what_it_has_done(ledger: Ledger) -> None:
    asked = job("accounts.set_alerts", account="wallet:w", thresholds=[50])
    down, up = job("wallets.debit", wallet_id="w", credits=60), job("wallets.top_up", credits_to_add=60, **BOUGHT)
    again = job("wallets.debit", wallet_id="w", credits=51)
    documents = settle(ledger, asked, down, up, again)
    told = [payload["job_id"] for kind, payload in events(ledger) if kind == "balance.low"]
    assert told == [documents[1]["job_id"], documents[3]["job_id"]]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"account": "wallet:none", "thresholds": [1]}, "wallet_not_found"),
        ({"account": "user:404", "thresholds": [1]}, "user_not_found"),
        ({"account": "app:a/none", "thresholds": [1]}, "app_not_found"),
        ({"account": "app:a", "thresholds": [1]}, "invalid_request"),
        ({"account": "wallet:w", "thresholds": [*range(11)]}, "invalid_request"),
        ({"account": "wallet:w", "thresholds": None}, "invalid_request"),
        ({"account": "wallet:w", "thresholds": ["x"]}, "invalid_request"),
        ({"account": "wallet:w", "thresholds": [5, "0.0000000001"]}, "scale_exceeded"),
        ({"account": "app:a/s", "thresholds": ["0.5"]}, "scale_exceeded"),
        ({"account": "wallet:w", "thresholds": [10**29]}, "balance_overflow"),
    ],
)
def test_what_is_refused_changes_nothing(ledger: Ledger, fields: dict[str, Any], code: str) -> None:
    assert ask(ledger, "accounts.set_alerts", **fields)["code"] == code
    assert [each for each in kept(ledger, "accounts", "low_at") if each["low_at"] is not None] == []


def test_a_closed_wallet_has_no_levels_to_watch(ledger: Ledger) -> None:
    done(ledger, "wallets.terminate", wallet_id="w")
    assert alerts(ledger, 1)["code"] == "wallet_closed"
