"""balance-worker auto-topup: what is due, why it does not fire, what was decided; and what operators ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tasks.auto_topup.provider import ProviderStatus
from tests.acceptance.system import System
from tests.integration.cli.charged import charge, look, newest, switch, wallet
from tests.integration.cli.conftest import NOWHERE, Cli, told
from tests.support.builders import balance, done, rows


def everything(engine: Engine) -> list[list[dict[str, Any]]]:
    return [rows(engine, f"select * from {table} order by 1") for table in ("jobs", "charges", "policies", "records")]


def test_due_is_a_dry_run(cli: Cli, engine: Engine) -> None:
    wallet(engine, "a", timezone="Europe/Riga")
    wallet(engine, "b", credits=99)
    wallet(engine, "c", target_balance=30, amount=None)
    before = everything(engine)
    document = cli.json("auto-topup", "list", "--due")
    assert [each["account"] for each in document["policies"]] == ["wallet:a", "wallet:c"]
    assert document["next"] is None
    now = document["policies"][0]["now"]
    assert (now["fires"], now["units"], now["amount"], now["amount_decimal"], now["currency"]) == (
        True, 5000, 5000, "50.00", "USD",
    )  # fmt: skip
    assert document["policies"][1]["now"]["units_decimal"] == "30.00"
    text = cli.text("auto-topup", "list", "--due")
    assert [line.split()[0] for line in text.splitlines()] == ["account", "wallet:a", "wallet:c"]
    assert text.splitlines()[1].endswith("50.00 USD")
    assert everything(engine) == before, "nothing was changed"


def test_a_pause_does_not_hide_what_would_be_charged(cli: Cli, engine: Engine) -> None:
    wallet(engine)
    switch(engine, on=False)
    [found] = cli.json("auto-topup", "list", "--due")["policies"]
    assert (found["now"]["reason"], found["unless_paused"]["amount_decimal"]) == ("charging_paused", "50.00")
    assert cli.text("auto-topup", "list").splitlines()[1].split()[-3:][1:] == ["50.00", "USD"]
    off = cli.json("auto-topup", "list", charging="false")["policies"]
    assert [each["now"]["reason"] for each in off] == ["charging_paused"]


def test_policies_are_listed_a_page_at_a_time(cli: Cli, engine: Engine) -> None:
    for name in ("a", "b", "c"):
        wallet(engine, name, credits=20)
    first = cli.json("auto-topup", "list", "--limit", "2")
    assert (first["next"], [each["now"]["reason"] for each in first["policies"]]) == (
        "wallet:b",
        ["above_threshold"] * 2,
    )
    rest = cli.json("auto-topup", "list", "--after", first["next"])
    assert [each["account"] for each in rest["policies"]] == ["wallet:c"]
    nothing = cli("auto-topup", "list", "--due")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "no policy is due\n")


def test_a_suspension_is_explained_and_lifted(cli: Cli, engine: Engine) -> None:
    wallet(engine, max_declines=1)
    charge(engine, ProviderStatus.DECLINED, "r", "card_declined")
    said = cli.text("auto-topup", "explain", "wallet:w1")
    assert said.startswith("wallet:w1 is not topped up: suspended since 20")
    assert said.endswith(
        " because the last charge was declined (card_declined); give another payment method and run"
        " `balance-worker auto-topup resume wallet:w1`\n"
    )
    document = cli.json("auto-topup", "explain", "wallet:w1")
    assert document["sentence"] + "\n" == said
    assert (document["now"]["reason"], document["now"]["code"]) == ("suspended", "card_declined")
    done(engine, "auto_topup.resume", account="wallet:w1")
    assert cli.text("auto-topup", "explain", "wallet:w1").startswith("wallet:w1 is due since ")


def test_how_often_the_scan_runs_is_as_in_the_settings(cli: Cli, engine: Engine) -> None:
    wallet(engine)
    assert "the next scan (within 7 s) charges" in cli.text(
        "auto-topup", "explain", "wallet:w1", topup_scan_every_s="7"
    )


def test_show_has_the_policy_the_month_and_the_charges(cli: Cli, engine: Engine) -> None:
    wallet(engine, monthly_cap=120)
    first = charge(engine, ProviderStatus.SUCCEEDED, "pi_1")
    done(engine, "wallets.debit", wallet_id="w1", credits=45)
    second = charge(engine, ProviderStatus.UNKNOWN, None, "timeout")
    text = cli.text("auto-topup", "show", "wallet:w1")
    lines = text.splitlines()
    assert lines[0] == cli.text("auto-topup", "explain", "wallet:w1").strip()
    assert "the last answer was 'unknown: timeout'; it is asked for again at" in lines[0]
    assert "charged this month  100.00 of 120.00" in lines
    assert ["monthly", "cap", "120.00"] in [line.split() for line in lines]
    assert text.index("Open charge") < text.index("Last charges") < text.index(first)
    document = cli.json("auto-topup", "show", "wallet:w1", "--charges", "1")
    assert (document["open_charge"]["id"], [each["id"] for each in document["charges"]]) == (second, [second])
    assert (document["charged_this_month"], document["policy"]["monthly_cap_decimal"]) == (10_000, "120.00")


def test_an_account_without_a_policy(cli: Cli, engine: Engine) -> None:
    done(engine, "users.upsert", user_id=42, telegram_id=99)
    said = cli.text("auto-topup", "explain", "user:telegram=99")
    assert said.startswith("user:42 is not topped up: it has no auto top-up policy; agree to one:")
    assert cli.json("auto-topup", "show", "user:42")["policy"] is None
    assert cli.text("auto-topup", "show", "user:42").startswith(said)
    nothing = cli("auto-topup", "history", "user:42")
    assert (nothing.returncode, nothing.stderr) == (0, "nothing was decided about its top-ups\n")


@pytest.mark.parametrize("command", ["show", "explain", "history"])
def test_an_account_that_is_not_there(cli: Cli, command: str) -> None:
    said = told(cli("auto-topup", command, "wallet:w9"), 1)
    assert said.endswith("there is no account wallet:w9: `balance-worker accounts list` shows which there are")
    assert "names no account" in told(cli("auto-topup", command, "w9"))
    assert "only wallets and users are topped up" in told(cli("auto-topup", command, "app:1/2"))


def test_history_is_newest_first(cli: Cli, engine: Engine) -> None:
    wallet(engine, monthly_cap=60)
    fired = charge(engine, ProviderStatus.SUCCEEDED, "pi_1")
    done(engine, "wallets.debit", wallet_id="w1", credits=45)
    look(engine)
    document = cli.json("auto-topup", "history", "wallet:w1")
    assert [(each["name"], each["reason"]) for each in document["looks"]] == [
        ("autotopup.top_up", "cap_reached"),
        ("charges.settle", None),
        ("autotopup.top_up", None),
        ("auto_topup.set_policy", None),
    ]
    held, settled = document["looks"][:2]
    assert (held["spendable_decimal"], held["until"] is None) == ("5", False)
    assert (settled["charge_id"], settled["charge_status"]) == (fired, "succeeded")
    assert [each["id"] for each in document["charges"]] == [fired]
    text = cli.text("auto-topup", "history", "wallet:w1").splitlines()
    assert "cap_reached" in text[1]
    assert text[2].split()[2:6] == ["charges.settle", "50", "charge", "succeeded"]
    assert len(cli.json("auto-topup", "history", "wallet:w1", "--limit", "1")["looks"]) == 1


# --- what operators ask for


@pytest.fixture
def with_worker(
    cli: Cli, redis_url: str, database_url: str, engine: Engine, tmp_path: Path, unique_queue: str
) -> Iterator[Cli]:
    """With a broker and a money worker."""
    system = System(redis_url, database_url, engine, unique_queue, tmp_path)
    try:
        system.money_worker()
        yield replace(cli, settings={**cli.settings, "broker_url": redis_url, "queue": unique_queue})
    finally:
        system.stop()


def test_run_now_resume_and_cancel_show_their_outcomes(with_worker: Cli, engine: Engine) -> None:
    wallet(engine, credits=20)
    run_now = ["auto-topup", "run-now", "wallet:w1", "--key", "now-1", "--wait", "30"]
    first = with_worker.json(*run_now)
    assert (first["code"], first["response"]["charge"]["status"]) == ("applied", "pending")
    assert with_worker.json(*run_now) == {**first, "replayed": True}
    held = with_worker("auto-topup", "run-now", "wallet:w1", "--wait", "30")
    assert held.returncode == 1
    assert '"reason": "charge_pending"' in held.stdout
    assert held.stderr.startswith("key cli-auto_topup.run_now-20")
    settle = ["charges", "settle", newest(engine), "--status", "succeeded", "--reference", "pi_1", "--wait", "30"]
    assert told(with_worker(*settle)) == (
        "balance-worker: Settle the charge of 50.00 USD of wallet:w1, which is pending, as succeeded?"
        " There is no terminal to answer on: repeat with --yes."
    )
    assert balance(engine, "wallet:w1") == 2000
    assert with_worker.json(*settle, "--yes")["code"] == "applied"
    assert balance(engine, "wallet:w1") == 7000
    assert with_worker.json("auto-topup", "resume", "wallet:w1", "--wait", "30")["code"] == "unchanged"
    cancelled = with_worker.text("auto-topup", "cancel", "wallet:w1", "--wait", "30")
    assert "applied" in cancelled
    [said] = rows(engine, "select trigger from policies")
    assert said["trigger"] == "disabled"


@pytest.mark.parametrize("command", ["resume", "run-now", "cancel"])
def test_without_a_worker_it_is_published_all_the_same(cli: Cli, redis_url: str, command: str) -> None:
    arguments = ["auto-topup", command, "user:42", "--key", "k"]
    name = f"auto_topup.{command.replace('-', '_')}"
    assert cli.text(*arguments, "--wait", "0", broker_url=redis_url) == f"published {name} key=k\n"
    assert "no outcome within 0.2 s" in told(cli(*arguments, "--wait", "0.2", broker_url=redis_url), 3)


@pytest.mark.parametrize(
    ("account", "says"),
    [
        ("app:1/2", "only wallets and users are topped up"),
        ("user:telegram=9", "internal id"),
        ("w1", "names no account"),
    ],
)
def test_accounts_that_are_not_topped_up(cli: Cli, account: str, says: str) -> None:
    assert says in told(cli("auto-topup", "run-now", account, broker_url=f"redis://{NOWHERE}/0"))
