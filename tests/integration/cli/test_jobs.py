"""balance-worker jobs list and jobs show"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import Engine

from models.store.connection.session import transaction
from models.store.write import jobs as store
from tests.integration.cli.conftest import Cli, Story, told
from tests.support.builders import done
from tests.support.ledgers import time_before
from tests.support.resealed import execute_resealed


def ids(page: Any) -> list[str]:
    return [job["job_id"] for job in page["jobs"]]


def test_list_is_a_table_newest_first(cli: Cli, story: Story) -> None:
    lines = [line.split() for line in cli.text("jobs", "list", "--limit", "50").splitlines()]
    assert lines[0] == ["settled", "job", "name", "account", "amount", "code", "producer", "key"]
    assert [line[1] for line in lines[1:]] == ids(cli.json("jobs", "list", "--limit", "50"))
    found = {line[1]: line for line in lines[1:]}
    assert found[story.topped_up["job_id"]][2:] == [
        *("wallets.top_up", "wallet:w1", "+12.50", "applied", "billing", "invoice-1")
    ]
    assert found[story.refused["job_id"]][2:] == [
        *("wallets.debit", "wallet:w1", "insufficient_funds", "billing", "too-much")
    ]
    assert [line[1] for line in lines[1:]] == sorted((line[1] for line in lines[1:]), reverse=True)
    assert lines[1][0].endswith("Z")
    assert len(lines[1][0]) == len("2027-01-31T12:00:00Z")


def test_amounts_stand_under_one_another(cli: Cli, story: Story) -> None:
    lines = cli.text("jobs", "list", "--account", "wallet:w1").splitlines()
    ends = {line.index(amount) + len(amount) for line in lines for amount in ("+12.50", "-2.00") if amount in line}
    assert len(ends) == 1


def test_list_as_json(cli: Cli, story: Story) -> None:
    job = cli.json("jobs", "list", "--name", "wallets.debit", "--status", "applied")["jobs"][0]
    assert job.pop("settled_at").endswith("Z")
    assert job.pop("idempotency_key").startswith("key-")
    assert job == {
        "job_id": story.debited["job_id"],
        "producer": "default",
        "name": "wallets.debit",
        "status": "applied",
        "code": "applied",
        "account": "wallet:w1",
        "seq": 4,
        "amount": -200,
        "balance_after": 1850,
        "scale": 2,
    }


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--account", "wallet:w1"], 6),
        (["--account", "user:telegram=99"], 3),
        (["--account", "user:42"], 3),
        (["--account", "app:1/2"], 2),
        (["--producer", "billing"], 3),
        (["--producer", "billing", "--account", "wallet:w1", "--name", "wallets.top_up"], 1),
        (["--status", "rejected"], 2),
        (["--code", "user_not_found"], 1),
        (["--since", "1h"], 12),
        (["--since", "1h", "--account", "wallet:w1"], 6),
        (["--since", "0s"], 0),
        (["--since", "2999-01-01"], 0),
        (["--since", "2020-01-01T00:00:00+03:00"], 12),
        (["--since", "1900-01-01"], 12),
        (["--producer", "nobody"], 0),
    ],
)
def test_filters(cli: Cli, story: Story, options: list[str], count: int) -> None:
    assert len(ids(cli.json("jobs", "list", "--limit", "50", *options))) == count


def test_the_next_page_is_named(cli: Cli, story: Story) -> None:
    whole = cli.json("jobs", "list", "--limit", "12")
    assert (len(ids(whole)), whole["next"]) == (12, None)
    first = cli.json("jobs", "list", "--limit", "7")
    assert first["next"] == ids(first)[-1]
    assert ids(first) + ids(cli.json("jobs", "list", "--before", first["next"])) == ids(whole)


def test_a_page_that_is_not_the_last_says_how_to_go_on(cli: Cli, story: Story) -> None:
    done = cli("jobs", "list", "--limit", "1")
    assert done.stderr == f"for the jobs before these: --before {done.stdout.splitlines()[1].split()[1]}\n"


def test_an_empty_list_says_so(cli: Cli, engine: Engine) -> None:
    done = cli("jobs", "list")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no such jobs have been settled\n")


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--account", "wallet:none"], 1, "there is no account wallet:none"),
        (["--account", "w1"], 2, "'w1' names no account; write wallet:w1, user:42, user:telegram=99 or app:1/2"),
        (["--account", "user:x"], 2, "names no account"),
        (["--account", "app:1"], 2, "names no account"),
        (["--since", "yesterday"], 2, "'yesterday' is no time; write 2027-01-31, 2027-01-31T12:00:00Z, 30m, 12h or 7d"),
        (["--code", "broke"], 2, "--code"),
        (["--status", "lost"], 2, "--status"),
    ],
)
def test_what_cannot_be_listed(cli: Cli, story: Story, options: list[str], code: int, says: str) -> None:
    assert says in told(cli("jobs", "list", *options), code)


def test_show_tells_the_whole_story(cli: Cli, story: Story) -> None:
    text = cli.text("jobs", "show", story.corrected["job_id"])
    facts = dict(line.split(maxsplit=1) for line in text.split("\n\n", maxsplit=1)[0].splitlines())
    assert facts["name"] == "users.update_balance"
    assert facts["account"] == "user:42"
    assert facts["entry"] == "number 1, deposit"
    assert facts["amount"] == "+1.50"
    assert facts["balance"] == "0.00 -> 1.50"
    assert facts["description"] == "Бонус"
    assert f"taken back by  job {story.reversed['job_id']}, entry number 2" in text
    assert '"amount_kopeks": 150' in text
    assert "user.balance.updated" in text
    assert f"takes back   job {story.corrected['job_id']}" in cli.text("jobs", "show", story.reversed["job_id"])


def test_show_as_json(cli: Cli, story: Story) -> None:
    told_by_id = cli.json("jobs", "show", story.topped_up["job_id"])
    assert told_by_id == cli.json("jobs", "show", "--producer", "billing", "--key", "invoice-1")
    assert told_by_id["body"] == {
        "wallet_id": "w1",
        "credits_to_add": "12.5",
        "transaction_reason": "PURCHASED_CREDIT_DIRECT",
    }
    outcome = told_by_id["outcome"]
    assert (outcome["job_id"], outcome["entry"]["amount"], outcome["replayed"]) == (
        story.topped_up["job_id"],
        1250,
        False,
    )
    assert told_by_id["entry"]["reason"] == "PURCHASED_CREDIT_DIRECT"
    assert told_by_id["entry"]["balance_after"] == 1250
    assert [event["type"] for event in told_by_id["events"]] == ["wallet.transaction.created"]
    assert (told_by_id["bonus_entry"], told_by_id["taken_back_by"]) == (None, [])
    [taken_back] = cli.json("jobs", "show", story.corrected["job_id"])["taken_back_by"]
    assert (taken_back["job_id"], taken_back["seq"]) == (story.reversed["job_id"], 2)


def test_show_of_a_job_with_a_bonus_that_is_taken_back_in_parts(cli: Cli, engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="w", scale=2)
    bought = {"wallet_id": "w", "credits_to_add": 10, "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
    job_id = done(engine, "wallets.top_up", bonus_credits_to_add=3, **bought)["job_id"]
    part = done(engine, "entries.reverse", job_id=job_id, credits=4)["job_id"]
    rest = done(engine, "entries.reverse", job_id=job_id)["job_id"]
    told = cli.json("jobs", "show", job_id)
    assert [(told[name]["amount"], told[name]["part"]) for name in ("entry", "bonus_entry")] == [(1000, 0), (300, 1)]
    assert [(row["job_id"], row["amount"]) for row in told["taken_back_by"]] == [
        (part, -400),
        (rest, -600),
        (rest, -300),
    ]
    assert [row["amount"] for row in cli.json("jobs", "show", rest)["takes_back"]] == [1000, 300]
    text = cli.text("jobs", "show", job_id)
    assert "second entry   number 2, +3.00, PURCHASED_CREDIT_BONUS" in text
    assert text.count("entry number") == 3


def test_show_gives_decimals_digit_by_digit(cli: Cli, story: Story) -> None:
    assert '"balance_rubles": 1.50' in cli("jobs", "show", story.corrected["job_id"], "--json").stdout


def test_show_of_a_refusal(cli: Cli, story: Story) -> None:
    text = cli.text("jobs", "show", "--producer", "billing", "--key", "too-much")
    assert "none: the balance did not move" in text
    assert '"available": "17.5"' in text
    assert cli.json("jobs", "show", story.stranger["job_id"])["account"] is None


def test_show_of_a_pruned_job(cli: Cli, engine: Engine, story: Story) -> None:
    execute_resealed(engine, f"update jobs set settled_at = {time_before('settled_at', '100 days')}")
    with transaction(engine) as connection:
        assert store.prune(connection, 90, 100) == 12
    assert "no longer kept: BALANCE_PRUNE_AFTER_DAYS have passed" in cli.text("jobs", "show", story.debited["job_id"])
    assert cli.json("jobs", "show", story.debited["job_id"])["body"] is None


def test_show_what_is_not_there(cli: Cli, engine: Engine) -> None:
    for name in ([str(uuid.UUID(int=7))], ["--key", "unheard-of"]):
        assert "no such job has been settled" in told(cli("jobs", "show", *name), 1)


@pytest.mark.parametrize("options", [[], ["--producer", "p"], [str(uuid.UUID(int=7)), "--key", "k"]])
def test_show_needs_one_name(cli: Cli, options: list[str]) -> None:
    assert "name the job by JOB_ID, or by --producer and --key" in told(cli("jobs", "show", *options))
