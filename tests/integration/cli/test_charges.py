"""balance-worker charges and charging: what was asked for, settled by hand, and paused for all."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from tasks.auto_topup.provider import ProviderStatus
from tests.integration.cli.charged import charge, look, switch, wallet
from tests.integration.cli.conftest import Cli, told
from tests.support.builders import done, execute
from tests.support.ledgers import time_before
from tests.support.servers.queues import taken
from worker.doctor.charging import examine_charging
from worker.doctor.finding import Level
from worker.settings.settings import Settings

NOBODY = str(uuid4())


def test_charges_are_listed_by_status_and_account(cli: Cli, engine: Engine) -> None:
    wallet(engine, "a", max_declines=1)
    declined = charge(engine, ProviderStatus.DECLINED, "pi_1", "card_declined")
    wallet(engine, "b")
    waiting = charge(engine, ProviderStatus.UNKNOWN, None, "timeout")

    def listed(*arguments: str) -> list[str]:
        return [each["id"] for each in cli.json("charges", "list", *arguments)["charges"]]

    assert listed() == [waiting, declined]
    assert listed("--status", "declined") == [declined]
    assert listed("--status", "declined", "--status", "pending") == [waiting, declined]
    assert listed("--account", "wallet:b") == [waiting]
    assert cli.json("charges", "list", "--limit", "1")["next"] == waiting
    assert listed("--after", waiting) == [declined]
    text = cli.text("charges", "list").splitlines()
    assert text[1].split()[1:7] == [waiting, "wallet:b", "50.00", "USD", "+50.00", "http"]
    assert "unknown: timeout" in text[1]
    assert "card_declined" in text[2]
    assert "there is no account wallet:c" in told(cli("charges", "list", "--account", "wallet:c"), 1)
    nothing = cli("charges", "list", "--status", "void")
    assert (nothing.returncode, nothing.stderr) == (0, "there are no such charges\n")


@pytest.mark.tampered_ledger
def test_a_charge_is_shown_with_what_to_do(cli: Cli, engine: Engine) -> None:
    wallet(engine)
    made = charge(engine, ProviderStatus.UNKNOWN, "pi_1", "timeout")
    document = cli.json("charges", "show", made)
    assert (document["status"], document["amount"], document["amount_decimal"]) == ("pending", 5000, "50.00")
    assert (document["attempts"], document["answer"], document["account"]) == (1, "unknown: timeout", "wallet:w1")
    facts = dict(line.split("  ", 1) for line in cli.text("charges", "show", made).splitlines())
    assert "next" not in facts
    assert facts["asked for"].strip() == "once"
    execute(engine, "update charges set ask_at = null")
    text = cli.text("charges", "show", made)
    assert f"look it up at the provider, then `balance-worker charges settle {made} --status …`" in text
    done(engine, "charges.settle", charge_id=made, status="needs_action", link="https://pay.example/x")
    text = cli.text("charges", "show", made)
    assert "have its payer confirm it, or `balance-worker auto-topup cancel wallet:w1`" in text
    assert "https://pay.example/x" in text


@pytest.mark.parametrize("command", [["show", NOBODY], ["settle", NOBODY, "--status", "void", "--yes"]])
def test_a_charge_that_is_not_there(cli: Cli, command: list[str]) -> None:
    assert f"there is no charge {NOBODY}: `balance-worker charges list`" in told(cli("charges", *command), 1)


def test_what_no_charge_becomes(cli: Cli) -> None:
    assert "'pending' is not one of" in told(cli("charges", "settle", NOBODY, "--status", "pending"))


def test_settling_publishes_what_was_told(cli: Cli, engine: Engine, redis_url: str) -> None:
    wallet(engine)
    look(engine)
    made = cli.json("charges", "list")["charges"][0]["id"]
    told_of = ["--status", "declined", "--code", "card_declined", "--key", "k", "--yes", "--wait", "0"]
    document = cli.json("charges", "settle", made, *told_of, broker_url=redis_url)
    assert document == {
        "published": True,
        "name": "charges.settle",
        "producer": "default",
        "idempotency_key": "k",
    }
    [message] = taken(redis_url, "balance")
    about = {"charge_id": made, "status": "declined", "code": "card_declined"}
    assert json.loads(message.body or b"")[1] == {"idempotency_key": "k", "producer": "default", **about}
    bad = cli("charges", "settle", made, "--status", "needs_action", "--link", "ftp://x", "--yes", broker_url=redis_url)
    assert bad.returncode == 2
    assert "link = 'ftp://x'" in bad.stderr


def test_charging_is_paused_and_goes_on(cli: Cli, engine: Engine) -> None:
    before = cli.json("charging", "show")
    assert (before["paused"], before["switch"], before["on_in_settings"]) == (False, None, True)
    wallet(engine, "a")
    charge(engine, ProviderStatus.UNKNOWN)
    wallet(engine, "b")
    said = cli.json("charging", "pause", "--reason", " ticket 17 ", "--by", "olga")
    assert (said["paused"], said["switch"]["set_by"], said["switch"]["reason"]) == (True, "olga", "ticket 17")
    assert (said["waiting"], said["due"], said["unknown"]) == (1, 1, 0)
    assert look(engine) == 0, "in force at the next tick"
    facts = dict(line.split("  ", 1) for line in cli.text("charging", "show").splitlines())
    assert {name: value.strip() for name, value in facts.items()}["because"] == "ticket 17"
    assert facts["charging"].strip() == "paused"
    after = cli.json("charging", "resume", "--by", "igor")
    assert (after["paused"], after["switch"]["set_by"], after["switch"]["reason"]) == (False, "igor", None)
    assert look(engine) == 1


def test_that_it_is_off_in_the_settings_is_said(cli: Cli, engine: Engine) -> None:
    shown = cli("charging", "show", charging="false")
    assert shown.returncode == 0
    assert shown.stderr.startswith("BALANCE_CHARGING is off in these settings")
    assert cli.json("charging", "show", charging="false")["on_in_settings"] is False


@pytest.mark.parametrize(
    "arguments", [["--by", "olga"], ["--reason", "x"], ["--reason", " ", "--by", "o"], ["--reason", "x", "--by", ""]]
)
def test_a_pause_wants_a_name_and_a_reason(cli: Cli, engine: Engine, arguments: list[str]) -> None:
    assert "--" in told(cli("charging", "pause", *arguments))
    assert cli.json("charging", "show")["switch"] is None


@pytest.mark.tampered_ledger
def test_the_doctor_reads_what_waits(database_url: str, engine: Engine) -> None:
    def levels() -> dict[str, Level]:
        return {each.check: each.level for each in examine_charging(Settings(database_url=database_url))}

    for name in ("asked", "unknown"):
        wallet(engine, name)
        made = charge(engine, ProviderStatus.UNKNOWN)
    wallet(engine, "due")
    assert set(levels().values()) == {Level.OK}
    execute(
        engine,
        f"update charges set created_at = {time_before('created_at', '11 minutes')}",
    )
    assert levels()["charging.providers"] is Level.WARNING
    execute(
        engine,
        f"update policies set due_at = {time_before('due_at', '1 hour')} where due_at is not null",
    )
    assert levels()["charging.scan"] is Level.WARNING
    execute(engine, "update charges set ask_at = null where id = :id", id=made)
    assert levels()["charging.unknown"] is Level.WARNING
    switch(engine, on=False)
    assert levels() == {"charging.on": Level.WARNING, "charging.unknown": Level.WARNING}
