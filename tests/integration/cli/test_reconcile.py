"""balance-worker jobs reconcile: a publisher's file of keys against the ledger."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, event

from models.store.connection.session import snapshot
from tests.integration.cli.conftest import Cli, Story, told
from tests.support.builders import job, settle
from worker.cli.finance.keys_file import KeyLine
from worker.cli.finance.reconcile import _compared


def file_of(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_key_a_line(cli: Cli, story: Story, tmp_path: Path) -> None:
    keys = file_of(tmp_path / "keys.txt", "invoice-1\ntoo-much\r\n\nlost\nopen\n")
    done = cli("jobs", "reconcile", keys, "--producer", "billing")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("line 2: too-much: refused: insufficient_funds, job ")
    assert lines[1].startswith("line 4: lost: missing: nothing under this key is settled")
    assert lines[2:] == ["reconcile: 4 keys, 2 applied, 1 refused, 0 differs, 1 missing"]


def test_nothing_missing_is_well(cli: Cli, story: Story, tmp_path: Path) -> None:
    keys = file_of(tmp_path / "keys.txt", "invoice-1\ntoo-much\n")
    found = cli.json("jobs", "reconcile", keys, "--producer", "billing")
    assert {word: found[word] for word in ("keys", "applied", "refused", "differs", "missing")} == {
        "keys": 2, "applied": 1, "refused": 1, "differs": 0, "missing": 0,
    }  # fmt: skip
    assert [each["result"] for each in found["findings"]] == ["refused"]
    assert cli("jobs", "reconcile", keys).returncode == 1, "another producer's keys"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "out.csv",
            "\ufeffkey,amount,producer,note\ninvoice-1,12.5,billing,x\nopen,,billing,\ninvoice-1,12.51,billing,\n",
        ),
        (
            "out.jsonl",
            '{"key": "invoice-1", "amount": 12.50, "producer": "billing"}\n\n{"key": "open", "producer": "billing"}\n'
            '{"key": "invoice-1", "amount": "-12.51", "producer": "billing"}\n',
        ),
    ],
)
def test_amounts_are_compared_exactly(cli: Cli, story: Story, tmp_path: Path, name: str, text: str) -> None:
    found = cli.json("jobs", "reconcile", file_of(tmp_path / name, text), "--column", "key", code=1)
    assert (found["applied"], found["differs"], found["missing"]) == (2, 1, 0)
    [differs] = found["findings"]
    assert (differs["result"], differs["applied"], differs["account"]) == ("differs", "12.50", "wallet:w1")
    assert differs["job_id"] == story.topped_up["job_id"]
    assert "the file says" in cli("jobs", "reconcile", str(tmp_path / name), "--column", "key").stdout


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("gone", None, "no such file"),
        ("a.csv", "k,amount\n1,2\n", "there is no column idempotency_key"),
        ("a.csv", 'idempotency_key\n"a', "this is not CSV"),
        ("a.csv", "idempotency_key,amount\na,much\n", "line 2: 'much' is no amount"),
        ("a.csv", "idempotency_key,amount\na,NaN\n", "line 2: 'NaN' is no amount"),
        ("a.csv", "idempotency_key,amount\n,1\n", "line 2: there is no key in idempotency_key"),
        ("a.jsonl", "{}\n", "line 1: there is no key in idempotency_key"),
        ("a.txt", "a\nb\0\n", r"line 2: b\u0000 has NUL or half a character in it"),
        ("a.csv", "idempotency_key,producer\na,\0\n", "line 2"),
        ("a.csv", "idempotency_key,amount\na,1e300000000\n", "line 2: '1e300000000' is no amount"),
        ("a.csv", "idempotency_key,amount\na,-1e-300000000\n", "line 2: '-1e-300000000' is no amount"),
        ("a.jsonl", '{"idempotency_key": "\\ud800"}\n', r"line 1: \ud800 has NUL or half a character in it"),
        ("a.jsonl", "[1]\n", "line 1: this is no JSON object"),
        ("a.jsonl", "{\n", "line 1: this is not JSON"),
    ],
)
def test_files_that_cannot_be_compared(
    cli: Cli, engine: Engine, tmp_path: Path, name: str, text: str | None, says: str
) -> None:
    if text is not None:
        file_of(tmp_path / name, text)
    assert says in told(cli("jobs", "reconcile", str(tmp_path / name)))


@pytest.mark.parametrize("digits", [10, 28, 40])
def test_no_digit_is_rounded_away_before_amounts_are_compared(
    cli: Cli, story: Story, tmp_path: Path, digits: int
) -> None:
    more = f"12.5{'0' * digits}1"
    out = file_of(tmp_path / "out.csv", f"idempotency_key,amount\ninvoice-1,{more}\ninvoice-1,12.5{'0' * digits}\n")
    found = cli.json("jobs", "reconcile", out, "--producer", "billing", code=1)
    assert [(each["line"], each["amount"]) for each in found["findings"]] == [(2, more)]


def test_keys_come_through_a_pipe(cli: Cli, story: Story, tmp_path: Path) -> None:
    """As of `reconcile <(cut -f1 …)`: a pipe gives its lines once."""
    pipe = tmp_path / "keys"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_text, args=("invoice-1\nlost\n",))
    writer.start()
    done = cli("jobs", "reconcile", str(pipe), "--producer", "billing")
    writer.join(10)
    assert done.stdout.splitlines()[-1] == "reconcile: 2 keys, 1 applied, 0 refused, 0 differs, 1 missing"
    assert done.returncode == 1


def test_a_document_that_ends_half_way_is_json_and_says_so(cli: Cli, story: Story, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_bytes(b"lost\n" * 1_001 + b"\xff\n")
    found = cli.json("jobs", "reconcile", str(keys), code=2)
    assert len(found["findings"]) == 1_000
    assert found["error"].startswith("line 1002: this is not UTF-8")
    assert "keys" not in found, "no sum of what was not read"


def test_a_text_of_the_file_steers_no_terminal(cli: Cli, engine: Engine, tmp_path: Path) -> None:
    keys = file_of(tmp_path / "keys.txt", "\x1b[2Jk\n")
    assert r"\u001b[2Jk: missing" in cli("jobs", "reconcile", keys).stdout


@pytest.mark.parametrize("count", [1, 999, 1000])
def test_a_thousand_keys_are_one_statement(engine: Engine, count: int) -> None:
    settle(engine, *(job("users.upsert", user_id=number, idempotency_key=f"k{number}") for number in range(1, 11)))
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    lines = (KeyLine(number, f"k{number}", None, None) for number in range(1, count + 1))
    with snapshot(engine) as connection:
        event.listen(connection, "before_cursor_execute", note)
        found = [each.result for each in _compared(connection, lines, "default")]
    assert found.count("applied") == min(count, 10)
    assert len(found) == count
    assert len(sent) == 1
