"""balance-worker report: every account between two times, and totals."""

from __future__ import annotations

import csv  # noqa: TID251  # reading alone
import io
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from tests.integration.cli.conftest import Cli, Story, told
from tests.support.builders import done, rows


def test_every_account_and_totals_by_kind_and_currency(cli: Cli, engine: Engine, story: Story) -> None:
    done(engine, "wallets.create", wallet_id="w2", scale=9, currency="USD")
    done(engine, "wallets.top_up", wallet_id="w2", credits_to_add="0.000000001", transaction_reason="INVOICE_REFUND")
    told = cli.json("report")
    found = {each["account"]: each for each in told["accounts"]}
    assert list(found) == ["app:1/2", "user:42", "wallet:w1", "wallet:w2"]
    wallet = found["wallet:w1"]
    assert [wallet[f"{name}_decimal"] for name in ("opening", "credits", "debits", "closing")] == [
        *("0.00", "20.50", "-2.00", "18.50")
    ]
    assert (wallet["entries"], wallet["currency"]) == (4, "USD")
    assert found["user:42"]["closing"] == 0
    totals = {each["kind"]: each for each in told["totals"]}
    assert totals["wallet"]["accounts"] == 2
    assert totals["wallet"]["closing_decimal"] == "18.500000001"
    assert (totals["app"]["closing_decimal"], totals["user"]["credits_decimal"]) == ("70", "1.5")


def test_a_period_opens_where_the_one_before_closed(cli: Cli, engine: Engine, story: Story) -> None:
    middle = rows(engine, "select max(created_at) as at from entries e where e.seq = 2")[0]["at"].isoformat()
    first, second = cli.json("report", "--to", middle), cli.json("report", "--from", middle)
    closed = {each["account"]: each["closing"] for each in first["accounts"]}
    for each in second["accounts"]:
        assert each["opening"] == closed.get(each["account"], 0)
        assert each["opening"] + each["credits"] + each["debits"] == each["closing"]


def test_csv_and_text(cli: Cli, story: Story) -> None:
    lines = list(csv.DictReader(io.StringIO(cli.text("report", "--csv").removeprefix("\ufeff"), newline="")))
    assert [line["row"] for line in lines] == [*["account"] * 3, *["total"] * 3]
    accounts = [line for line in lines if line["row"] == "account"]
    assert all(
        Decimal(line["opening"]) + Decimal(line["credits"]) + Decimal(line["debits"]) == Decimal(line["closing"])
        for line in lines
    )
    assert [line["closing"] for line in accounts] == ["70", "0.00", "18.50"]
    text = cli.text("report", "--kind", "wallet")
    assert "wallet:w1" in text
    assert "user:42" not in text
    assert text.splitlines()[-1].split()[-4:] == ["0", "20.5", "-2", "18.5"]


def test_nothing_yet(cli: Cli, engine: Engine) -> None:
    assert cli.json("report")["totals"] == []
    assert cli.json("report", "--to", "2020-01-01")["accounts"] == []


def test_what_cannot_be_reported(cli: Cli, story: Story) -> None:
    assert "this is before --from" in told(cli("report", "--from", "1h", "--to", "2h"))
    assert "choose one form" in told(cli("report", "--csv", "--json"))


@pytest.mark.parametrize(
    "command",
    [["report"], ["accounts", "statement", "wallet:w1"], ["accounts", "show", "wallet:w1", "--at", "1h"], ["why", "k"],
     ["accounts", "list", "--customer", "c"]],
)  # fmt: skip
def test_without_a_database_it_is_a_sentence(cli: Cli, command: list[str]) -> None:
    said = told(cli(*command, database_url="postgresql+psycopg://nobody@127.0.0.1:1/none"))
    assert "the database is out of reach" in said
