"""balance-worker accounts list and accounts show"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.integration.cli.conftest import Cli, Story, told
from tests.support.builders import done


def facts(text: str) -> dict[str, str]:
    """The names and values before the first heading."""
    lines = [line.split("  ") for line in text.split("\n\n")[0].splitlines()]
    return {parts[0]: parts[-1].strip() for parts in lines}


def test_list(cli: Cli, story: Story) -> None:
    lines = [line.split() for line in cli.text("accounts", "list").splitlines()]
    columns = ["account", "balance", "spendable", "expired", "ledger", "unit", "status", "entries", "updated"]
    assert lines[0] == columns
    assert [line[:-1] for line in lines[1:]] == [
        ["app:1/2", "70", "70", "unit", "1"],
        ["user:42", "0.00", "0.00", "RUB", "active", "2"],
        ["wallet:w1", "15.50", "15.50", "3.00", "18.50", "credit", "active", "4"],
    ]
    assert cli.text("accounts", "list", "--kind", "app").splitlines()[0].split() == [
        *("account", "balance", "spendable", "unit", "status", "entries", "updated")
    ], "a column in which nothing stands is left out"


def test_list_as_json(cli: Cli, story: Story) -> None:
    page = cli.json("accounts", "list", "--kind", "wallet")
    assert page["next"] is None
    [wallet] = page["accounts"]
    assert wallet.pop("updated_at").endswith("Z")
    assert wallet == {
        "account": "wallet:w1",
        "balance": 1550,
        "balance_decimal": "15.50",
        "ledger_balance": 1850,
        "ledger_balance_decimal": "18.50",
        "held": 0,
        "held_decimal": "0.00",
        "spendable": 1550,
        "spendable_decimal": "15.50",
        "expired": 300,
        "expired_decimal": "3.00",
        "future": 0,
        "future_decimal": "0.00",
        "scale": 2,
        "unit": "credit",
        "status": "active",
        "entries": 4,
    }


@pytest.mark.parametrize("options", [[], ["--kind", "wallet"]], ids=["all kinds", "one kind"])
def test_pages_join_to_the_whole(cli: Cli, engine: Engine, story: Story, options: list[str]) -> None:
    for number in range(5):
        done(engine, "wallets.create", wallet_id=f"x:{number}")
    whole = [row["account"] for row in cli.json("accounts", "list", *options)["accounts"]]
    pages: list[str] = []
    after: list[str] = []
    while True:
        page = cli.json("accounts", "list", "--limit", "2", *options, *after)
        pages += [row["account"] for row in page["accounts"]]
        if page["next"] is None:
            break
        after = ["--after", page["next"]]
    assert pages == whole
    assert len(whole) == 8 - 2 * bool(options)
    remark = cli("accounts", "list", "--limit", "2", *options).stderr
    assert remark == f"for the accounts after these: --after {whole[1]}\n"


def test_an_empty_list_says_so(cli: Cli, engine: Engine) -> None:
    finished = cli("accounts", "list", "--kind", "app")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "there are no such accounts\n")


def test_show_of_a_wallet(cli: Cli, story: Story) -> None:
    text = cli.text("accounts", "show", "wallet:w1")
    known = facts(text)
    assert known["account"] == "wallet:w1"
    assert (known["balance"], known["spendable"]) == ("15.50 credit", "15.50")
    assert (known["expired, not written off"], known["in the ledger"]) == ("3.00", "18.50")
    assert "held" not in known
    assert known["name"] == "Main"
    assert known["conversion rate"] == "1"
    assert "auto top-up" not in known, "it has no policy"
    grants, entries = (part.splitlines()[1:] for part in text.split("\n\n")[1:])
    open_grant, expired = (line.split() for line in grants[1:])
    assert open_grant[1:] == ["3.00", "5.00", "1", "2100-01-02T00:00:00Z", "open"]
    assert expired[1:3] == ["3.00", "3.00"]
    assert expired[-1] == "expired"
    assert entries[0].split() == ["number", "created", "amount", "balance", "kind", "reason", "job"]
    assert [line.split()[0] for line in entries[1:]] == ["4", "3", "2", "1"]
    assert entries[1].split()[2:] == ["-2.00", "18.50", "debit", "INVOICE_PAYMENT", story.debited["job_id"]]


def test_show_as_json(cli: Cli, story: Story) -> None:
    wallet = cli.json("accounts", "show", "wallet:w1")
    assert (wallet["balance"], wallet["balance_decimal"], wallet["scale"]) == (1550, "15.50", 2)
    assert (wallet["ledger_balance"], wallet["expired"], wallet["held"], wallet["future"]) == (1850, 300, 0, 0)
    assert wallet["wallet"]["name"] == "Main"
    assert [(grant["remaining"], grant["state"]) for grant in wallet["grants"]] == [(300, "open"), (300, "expired")]
    assert (wallet["entry_count"], wallet["holds"], wallet["auto_top_up"]) == (4, [], None)
    newest = wallet["entries"][0]
    assert (newest["seq"], newest["amount"], newest["balance_after"]) == (4, -200, 1850)
    assert newest["job_id"] == story.debited["job_id"]
    assert newest["metadata"] == {"order": "7"}
    assert newest["draws"] == [{"grant": story.granted["job_id"], "amount": 200}]
    assert (newest["part"], newest["paid"], newest["holds"]) == (0, [], [])
    assert wallet["next"] is None


def test_entries_come_in_pages(cli: Cli, story: Story) -> None:
    def seqs(*options: str) -> tuple[list[int], Any]:
        account = cli.json("accounts", "show", "wallet:w1", *options)
        return [entry["seq"] for entry in account["entries"]], account["next"]

    assert seqs("--entries", "3") == ([4, 3, 2], 2)
    assert seqs("--entries", "3", "--before", "2") == ([1], None)
    assert seqs("--entries", "0") == ([], None)
    finished = cli("accounts", "show", "wallet:w1", "--entries", "3")
    assert finished.stderr == "for the entries before these: --before 2\n"


def test_show_of_a_user_by_either_id(cli: Cli, story: Story) -> None:
    text = cli.text("accounts", "show", "user:telegram=99")
    assert text == cli.text("accounts", "show", "user:42") == cli.text("accounts", "show", "user:042")
    known = facts(text)
    assert (known["user id"], known["telegram id"], known["first name"]) == ("42", "99", "Анна")
    assert known["has made first topup"] == "no"
    assert "Бонус" in text


def test_show_of_an_app(cli: Cli, story: Story) -> None:
    known = facts(cli.text("accounts", "show", "app:1/2"))
    assert (known["balance"], known["store id"], known["decrease only"]) == ("70 unit", "2", "no")


def test_what_a_producer_sent_does_not_steer_the_terminal(cli: Cli, engine: Engine) -> None:
    done(engine, "users.upsert", user_id=1, first_name="\x1b[31mred\x1b[0m [bold]")
    text = cli.text("accounts", "show", "user:1")
    assert "\x1b" not in text
    assert facts(text)["first name"] == r"\u001b[31mred\u001b[0m [bold]"


def test_show_what_is_not_there(cli: Cli, story: Story) -> None:
    for name in ("wallet:none", "user:7", "user:telegram=7", "app:1/3"):
        said = told(cli("accounts", "show", name), 1)
        assert said.startswith(f"balance-worker: there is no account {name}: ")


@pytest.mark.parametrize(
    "name", ["w1", "wallet:", "bank:1", "user:-1", "user:1_0", "user:telegram=x", "app:1", "app:/"]
)
def test_show_what_names_no_account(cli: Cli, name: str) -> None:
    assert f"{name!r} names no account; write wallet:w1" in told(cli("accounts", "show", name))
