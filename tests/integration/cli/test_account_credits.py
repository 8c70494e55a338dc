"""accounts list and accounts show of a wallet: what is there by time, every grant and hold, and its auto top-up."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.integration.cli.conftest import Cli
from tests.support.builders import done, execute, let_expire
from tests.support.resealed import execute_resealed

BOUGHT = {"wallet_id": "w", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
POLICY = {"auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 10, "auto_topup_amount": 50}


def table(text: str, title: str) -> list[list[str]]:
    """The words of each line under a heading, the names of the columns first."""
    return [line.split() for line in text.partition(f"\n{title}\n")[2].partition("\n\n")[0].splitlines()]


@pytest.fixture
def wallet(engine: Engine) -> dict[str, str]:
    """20 plain credits, 10 expired, 40 to come, 30 with a bonus of 5: of these 3 spent, 12 held, 4 taken back."""

    def bought(units: int, **terms: Any) -> str:
        job_id: str = done(engine, "wallets.top_up", credits_to_add=units, **terms, **BOUGHT)["job_id"]
        return job_id

    done(engine, "wallets.create", wallet_id="w", scale=0)
    made = {"plain": bought(20), "expired": bought(10, expiry_date_utc="2100-01-01")}
    let_expire(engine, made["expired"])
    made["future"] = bought(40, effective_at="2100-01-01T00:00:00Z")
    made["open"] = bought(30, priority=1, bonus_credits_to_add=5, bonus_expiry_date_utc="2100-06-01")
    done(engine, "wallets.debit", wallet_id="w", credits=3)
    made["hold"] = done(engine, "wallets.hold", wallet_id="w", credits=12, description="Ride 7")["job_id"]
    done(engine, "entries.reverse", job_id=made["open"], credits=4)
    return made


def test_what_is_there_by_time_and_what_the_ledger_adds_up_to(cli: Cli, wallet: dict[str, str]) -> None:
    shown = cli.json("accounts", "show", "wallet:w")
    names = ("balance", "spendable", "held", "expired", "future", "ledger_balance")
    assert {name: shown[name] for name in names} == {
        "balance": 48,
        "spendable": 36,
        "held": 12,
        "expired": 10,
        "future": 40,
        "ledger_balance": 98,
    }
    assert shown["spendable_decimal"] == "36"
    lines = [line.split() for line in cli.text("accounts", "list").splitlines()]
    assert lines[0][:7] == ["account", "balance", "spendable", "held", "expired", "future", "ledger"]
    assert lines[1][:7] == ["wallet:w", "48", "36", "12", "10", "40", "98"]


def test_open_grants_stand_in_the_order_of_use_then_what_cannot_be_used(cli: Cli, wallet: dict[str, str]) -> None:
    text = cli.text("accounts", "show", "wallet:w")
    lines = table(text, "Open grants, in the order of use")
    assert lines[0] == ["grant", "left", "held", "of", "priority", "begins", "expires", "state"]
    assert lines[1][:5] == [wallet["open"], "11", "12", "30", "1"]
    assert [line[1:3] for line in lines[2:]] == [["5", "5"], ["10", "10"], ["40", "40"]]
    assert [" ".join(line[-2:]).removeprefix("2100-06-02T00:00:00Z ") for line in lines[2:3]] == ["open"]
    assert (lines[3][-1], " ".join(lines[4][-2:])) == ("expired", "begins later")
    [hold] = table(text, "Open holds")[1:]
    assert hold[:5] == [wallet["hold"], "12", "12", "0", "0"]
    assert table(text, "Entries")[0][:5] == ["number", "created", "amount", "held", "balance"]


def test_every_grant_is_told_from_the_entries_alone(cli: Cli, engine: Engine, wallet: dict[str, str]) -> None:
    done(engine, "holds.capture", job_id=wallet["hold"], credits=2)
    done(engine, "grants.void", wallet_id="w", job_id=wallet["open"], reason="by mistake", operator="olga")
    told = {grant["id"]: grant for grant in cli.json("accounts", "show", "wallet:w", "--grants")["grants"]}
    names = ("amount", "remaining", "held", "spent", "expired", "voided", "reversed")
    sums = {grant_id: [grant[name] for name in names] for grant_id, grant in told.items()}
    [bonus] = set(told) - set(wallet.values())
    assert sums == {
        wallet["expired"]: [10, 10, 0, 0, 0, 0, 0],
        wallet["future"]: [40, 40, 0, 0, 0, 0, 0],
        wallet["open"]: [30, 0, 0, 5, 0, 21, 4],
        bonus: [5, 5, 0, 0, 0, 0, 0],
    }
    assert all(units[0] == sum(units[1:]) for units in sums.values())
    assert {grant_id: (grant["state"], grant["origin"], grant["row"]) for grant_id, grant in told.items()} == {
        wallet["expired"]: ("expired", "purchased", None),
        wallet["future"]: ("begins later", "purchased", None),
        wallet["open"]: ("voided", "purchased", None),
        bonus: ("open", "free", None),
    }
    assert (told[bonus]["job_id"], told[bonus]["bonus"]) == (wallet["open"], True)
    assert told[wallet["future"]]["effective_at"] == "2100-01-01T00:00:00Z"
    lines = table(cli.text("accounts", "show", "wallet:w", "--grants"), "Every grant, as its entries make it")
    assert lines[0] == [
        *("grant", "origin", "amount", "left", "spent", "voided", "reversed"),
        *("priority", "begins", "expires", "state", "bonus", "of"),
    ]
    assert [line[1:4] for line in lines[1:]] == [
        ["purchased", "10", "10"],
        ["purchased", "40", "40"],
        ["purchased", "30", "0"],
        ["free", "5", "5"],
    ]


@pytest.mark.tampered_ledger
def test_a_row_that_is_not_what_the_entries_make_of_it_is_marked(
    cli: Cli, engine: Engine, wallet: dict[str, str]
) -> None:
    execute(engine, "update grants set remaining = 9 where remaining = 10")
    execute(engine, "update holds set captured = 0, remaining = 11")
    shown = cli.json("accounts", "show", "wallet:w", "--grants", "--holds")
    marked = {grant["id"]: (grant["remaining"], grant["row"]) for grant in shown["grants"] if grant["row"]}
    assert marked == {wallet["expired"]: (10, {"remaining": 9})}
    assert [hold["row_is_wrong"] for hold in shown["holds"]] == [True]
    text = cli.text("accounts", "show", "wallet:w", "--grants", "--holds")
    assert table(text, "Every grant, as its entries make it")[1][-2:] == ["remaining", "9"]
    assert table(text, "Every hold")[1][-1] == "yes"


def test_every_hold_is_told_with_how_it_ended(cli: Cli, engine: Engine, wallet: dict[str, str]) -> None:
    made = {
        name: done(engine, "wallets.hold", wallet_id="w", credits=units)["job_id"]
        for name, units in (("captured", 2), ("released", 3), ("run out", 4))
    }
    done(engine, "holds.capture", job_id=wallet["hold"], credits=5, final=False)
    done(engine, "holds.capture", job_id=made["captured"], credits=1)
    done(engine, "holds.release", job_id=made["released"])
    execute_resealed(engine, f"update holds set expires_at = now() where id = '{made['run out']}'")
    told = cli.json("accounts", "show", "wallet:w", "--holds")["holds"]
    names = ("amount", "captured", "released", "remaining", "ended", "row_is_wrong")
    assert {hold["id"]: [hold[name] for name in names] for hold in told} == {
        wallet["hold"]: [12, 5, 0, 7, None, False],
        made["captured"]: [2, 1, 1, 0, "captured", False],
        made["released"]: [3, 0, 3, 0, "released", False],
        made["run out"]: [4, 0, 4, 0, "expired", False],
    }
    lines = table(cli.text("accounts", "show", "wallet:w", "--holds"), "Every hold")
    assert [line[-1] for line in lines] == ["ended", lines[1][-1], "captured", "released", "expired"]
    open_now = cli.json("accounts", "show", "wallet:w")
    assert [hold["id"] for hold in open_now["holds"]] == [wallet["hold"]]
    assert open_now["held"] == 7


def test_entries_say_what_they_did_to_holds_and_debts(cli: Cli, engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="w", scale=0, floor=-10)
    done(engine, "wallets.debit", wallet_id="w", credits=10)
    top_up = done(engine, "wallets.top_up", credits_to_add=30, priority=1, **BOUGHT)["job_id"]
    hold = done(engine, "wallets.hold", wallet_id="w", credits=8)["job_id"]
    done(engine, "holds.capture", job_id=hold, credits=6)
    capture, held, paid, _ = cli.json("accounts", "show", "wallet:w")["entries"]
    assert paid["paid"] == [{"grant": top_up, "amount": 10}]
    assert (held["amount"], held["held"]) == (0, 8)
    assert held["holds"] == [
        {"hold": hold, "verb": "hold", "amount": 8, "parts": [{"grant": top_up, "held": 8, "remaining": -8}]}
    ]
    assert (capture["amount"], capture["held"]) == (-6, -8)
    assert [change["verb"] for change in capture["holds"]] == ["capture", "release"]


def test_auto_top_up_says_where_it_stands(cli: Cli, engine: Engine) -> None:
    """In the sentence of `auto-topup explain`."""

    def stands() -> Any:
        told = cli.json("accounts", "show", "wallet:w")["auto_top_up"]
        assert told is None or told in cli.text("accounts", "show", "wallet:w")
        return told

    done(engine, "wallets.create", wallet_id="w", scale=0)
    assert stands() is None
    done(engine, "wallets.update", wallet_id="w", **POLICY)
    assert stands().startswith("wallet:w is due since 2")
    execute_resealed(engine, "update policies set due_at = null, suspended = 'refunded'")
    assert "suspended" in stands()
    assert "auto-topup resume wallet:w" in stands()
    assert stands() in cli.text("auto-topup", "explain", "wallet:w")
