"""balance-worker verify"""

from __future__ import annotations

import io
from pathlib import Path
from threading import Event

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from sqlalchemy import Engine

from tests.integration.cli.conftest import Cli, Story
from tests.support.builders import execute
from worker.cli.terminal.waiting import Waiting
from worker.clock import now

_TAMPER = """
    update entries set amount = amount + 1
    where seq = :seq and account_id = (select id from accounts where kind = 'wallet' and ref = 'w1')
"""


def test_a_ledger_that_adds_up(cli: Cli, story: Story) -> None:
    assert cli.text("verify") == "verify: ok, 3 accounts, 7 entries, 2 grants, 5 records\n"
    counts = {"accounts": 3, "entries": 7, "grants": 2, "records": 5}
    assert cli.json("verify") == {"ok": True, **counts, "findings": []}


@pytest.mark.tampered_ledger
def test_a_changed_entry_is_named(cli: Cli, engine: Engine, story: Story) -> None:
    assert execute(engine, _TAMPER, seq=2) == 1
    done = cli("verify")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "wallet:w1 entry 2: balance_after is 1750, but 1250 and 501 make 1751"
    assert lines[-1].startswith(f"verify: FAILED, {len(lines) - 1} findings, 3 accounts, 7 entries")
    found = cli.json("verify", code=1)
    assert found["ok"] is False
    first = found["findings"][0]
    assert (first["account"], first["seq"]) == ("wallet:w1", 2)
    assert first["problem"] == "balance_after is 1750, but 1250 and 501 make 1751"


@pytest.mark.tampered_ledger
def test_what_came_of_it_is_left_for_prometheus(cli: Cli, engine: Engine, story: Story, tmp_path: Path) -> None:
    file, before = tmp_path / "balance.prom", now().timestamp()
    cli.text("verify", "--textfile", str(file))
    found = _samples(file)
    assert before <= found.pop("balance_verify_timestamp_seconds") <= now().timestamp()
    assert found == {"balance_verify_ok": 1, "balance_verify_findings": 0, "balance_verify_entries": 7}
    execute(engine, _TAMPER, seq=2)
    findings = cli.json("verify", "--textfile", str(file), code=1)["findings"]
    found = _samples(file)
    assert (found["balance_verify_ok"], found["balance_verify_findings"]) == (0, len(findings))
    assert [*tmp_path.iterdir()] == [file]
    done = cli("verify", "--textfile", str(tmp_path / "nowhere" / "x.prom"))
    assert done.returncode == 2
    assert "cannot be used: no such file or directory" in done.stderr


def _samples(file: Path) -> dict[str, float]:
    families = text_string_to_metric_families(file.read_text(encoding="utf-8"))
    return {sample.name: sample.value for family in families for sample in family.samples}


@pytest.mark.tampered_ledger
def test_a_changed_balance_is_named(cli: Cli, engine: Engine, story: Story) -> None:
    execute(engine, "update accounts set balance = 71 where kind = 'app'")
    done = cli("verify")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "app:1/2: balance is 71, its entries make 70",
        "verify: FAILED, 1 finding, 3 accounts, 7 entries, 2 grants, 5 records",
    ]


def test_waiting_shows_itself_on_a_terminal_once_it_takes_long() -> None:
    screen, appeared = io.StringIO(), Event()
    console = Console(file=screen, force_terminal=True, width=80)
    with Waiting("Reading the ledger", console, after_s=0) as waiting:
        while "Reading the ledger" not in screen.getvalue():
            assert not appeared.wait(0.01)
        waiting.say("10,000 of about 20,000 entries verified")
        while "10,000 of about 20,000" not in screen.getvalue():
            assert not appeared.wait(0.01)


def test_waiting_stays_away_when_it_is_quick() -> None:
    screen = io.StringIO()
    with Waiting("Reading", Console(file=screen, force_terminal=True), after_s=60):
        pass
    assert screen.getvalue() == ""


def test_waiting_stays_away_without_a_terminal() -> None:
    with Waiting("Reading", after_s=0) as waiting:
        assert waiting._timer.ident is None, "it was started"
