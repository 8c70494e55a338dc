"""Whatever strangers wrote, no command lets it begin a line, move the cursor or turn the direction of a text."""

from __future__ import annotations

import io
import json
import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
from sqlalchemy import Engine

from models.contracts.wire.dead_letter import DeadLetter
from models.store.connection.session import transaction
from models.store.write import dead_letters
from tests.integration.cli.conftest import Cli
from tests.support.builders import done
from tests.support.command import SCRIPT
from worker.cli.operations import up
from worker.cli.terminal import faults, output, tables
from worker.cli.terminal.tables import Column

FORGED = "verify: ok, 0 findings"
TEXT = f"a\n{FORGED}\r{FORGED}\x85{FORGED}\u2028b\x1b[2J\x9b2J\u202ec\u2066d\x7f\u200be"


@pytest.fixture
def letter_id(engine: Engine) -> str:
    """Of a letter in which everything is a stranger's. A job with such texts has been applied beside it."""
    done(engine, "users.upsert", user_id=1, first_name=TEXT, username=TEXT)
    done(
        engine, "users.update_balance", user_id=1, amount_kopeks=5, description=TEXT, metadata={"note": TEXT},
        idempotency_key="k",
    )  # fmt: skip
    letter = DeadLetter(
        reason="failed", error=TEXT, task=TEXT, task_id=TEXT, queue=TEXT, headers={"h": TEXT, TEXT: 1},
        body=TEXT.encode(), producer=TEXT, key=TEXT,
    )  # fmt: skip
    with transaction(engine) as connection:
        [letter_id] = dead_letters.park(connection, [letter])
    return str(letter_id)


def test_commands_show_it_and_are_not_steered(cli: Cli, letter_id: str) -> None:
    for command in (
        ["accounts", "list"], ["accounts", "show", "user:1"], ["jobs", "list"], ["jobs", "show", "--key", "k"],
        ["dead-letters", "list"], ["verify"], ["dead-letters", "show", letter_id],
    ):  # fmt: skip
        for form in ([], ["--json"]):
            text = cli.text(*command, *form)
            assert _harmless(text), (command, text)
            assert "\\u202e" in text or "show" not in command, "it is shown what was there"
    assert TEXT in [*_strings(json.loads(text))], "for programs it is what it was"


@pytest.mark.parametrize(
    "write",
    [
        output.line, output.remark, up._say, faults._say,
        lambda text: up._line({"detail": text}),
        lambda text: output.write_json({text: [text]}),
        lambda text: tables.facts({"key": text, text: "x"}),
        lambda text: tables.table([Column("first", whole=True), Column("second")], [(text, text), ("x", "y")]),
    ],
)  # fmt: skip
def test_nothing_that_writes_lets_it_through(write: Any) -> None:
    written = io.StringIO()
    with redirect_stdout(written), redirect_stderr(written):
        write(TEXT.replace("\n", "") if write is up._say else TEXT)
    assert _harmless(written.getvalue()), written.getvalue()


def test_a_traceback_of_ours_does_not_either() -> None:
    written = io.StringIO()
    with redirect_stderr(written), pytest.raises(SystemExit):
        faults.stop(KeyError(TEXT))
    assert _harmless(written.getvalue()), written.getvalue()


def _harmless(text: str) -> bool:
    """Whether no line begins as one of ours, and there is nothing but what prints and line feeds."""
    return all(line.isprintable() and not line.startswith(FORGED) for line in text.split("\n"))


def _strings(document: Any) -> Any:
    if isinstance(document, str):
        yield document
    elif isinstance(document, (dict, list)):
        for each in document.values() if isinstance(document, dict) else document:
            yield from _strings(each)


def test_json_keeps_its_meaning() -> None:
    written = io.StringIO()
    with redirect_stdout(written):
        output.write_json({"text": TEXT + "\U000e0001", "fine": "Анна 😀"})
    assert json.loads(written.getvalue()) == {"text": TEXT + "\U000e0001", "fine": "Анна 😀"}
    assert "Анна 😀" in written.getvalue()


@pytest.mark.parametrize(
    "command",
    [
        ["why", "{}"], ["why", "k", "--producer", "{}"], ["accounts", "show", "wallet:{}"],
        ["jobs", "list", "--key", "{}"],
        ["accounts", "list", "--customer", "{}"], ["jobs", "list", "--producer", "{}"], ["report", "--from", "{}"],
        ["dead-letters", "list", "--reason", "{}"], ["charges", "list", "--account", "wallet:{}"], ["{}"],
        ["jobs", "reconcile", "{}"], ["publish", "wallets.debit", "--key", "{}"], ["up", "--data-dir", "{}"],
    ],
)  # fmt: skip
def test_an_argument_that_is_no_text_is_said_to_be_none(cli: Cli, command: list[str]) -> None:
    """Bytes that are not UTF-8 come in as lone surrogates, which no database takes."""
    done = cli(*(each.format("a\udcff") for each in command))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("balance-worker: the argument ")
    assert "\\udcff is not UTF-8" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_answers_are_utf8_whatever_the_locale(cli: Cli, engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="Анна 😀")
    environment = dict(os.environ) | {f"BALANCE_{name.upper()}": value for name, value in cli.settings.items()}
    for form in ([], ["--csv"], ["--json"]):
        found = subprocess.run([SCRIPT, "report", *form], env=environment | {"PYTHONIOENCODING": "ascii"},
                               capture_output=True, timeout=60)  # fmt: skip
        assert found.returncode == 0, found.stderr
        assert "wallet:Анна 😀" in found.stdout.decode()
