"""balance-worker verify"""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from sqlalchemy import Engine, text

from tests.integration.cli.conftest import Cli, Story, told
from tests.support.builders import execute
from tests.support.command import SCRIPT
from worker.cli.terminal.waiting import Waiting
from worker.clock import now

_TAMPER = """
    update entries set amount = amount + 1
    where seq = :seq and account_id = (select id from accounts where kind = 'wallet' and ref = 'w1')
"""


def test_a_ledger_that_adds_up(cli: Cli, story: Story) -> None:
    assert cli.text("verify") == "verify: ok, 3 accounts, 7 entries, 2 grants, 5 records\n"
    counts = {"accounts": 3, "entries": 7, "grants": 2, "records": 5}
    read = {"jobs": 12, "part": "0/1", "ranges": 3, "found": 0}
    assert cli.json("verify") == {"ok": True, **counts, **read, "findings": []}


def test_parts_are_the_whole_together(cli: Cli, story: Story) -> None:
    found = [cli.json("verify", "--part", f"{number}/2") for number in range(2)]
    assert [part["part"] for part in found] == ["0/2", "1/2"]
    whole = cli.json("verify")
    for name in ("accounts", "entries", "grants", "records", "jobs"):
        assert sum(part[name] for part in found) == whole[name]
    assert cli.text("verify", "--part", "1/2").startswith("verify part 1/2: ok, ")


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("3", "a part is written as NUMBER/COUNT, such as 3/16, not '3'"),
        ("-1/4", "a part is written as NUMBER/COUNT"),
        ("٣/4", "a part is written as NUMBER/COUNT"),
        ("4/4", "parts are numbered from 0: the last of 4 is 3/4"),
        ("0/0", "there are 1 to 1024 parts, not 0"),
        ("0/2000", "there are 1 to 1024 parts, not 2000"),
    ],
)
def test_a_part_that_is_none_is_refused(cli: Cli, part: str, says: str) -> None:
    assert f"--part: {says}" in told(cli("verify", "--part", part))


def test_a_part_writes_no_metrics_of_the_whole(cli: Cli, tmp_path: Path) -> None:
    assert "--textfile tells of the whole ledger" in told(
        cli("verify", "--part", "0/2", "--textfile", str(tmp_path / "x"))
    )


def test_a_run_that_is_killed_goes_on_where_it_was(
    cli: Cli, engine: Engine, story: Story, tmp_path: Path, database_url: str
) -> None:
    file = tmp_path / "verify.json"
    with engine.begin() as connection:
        connection.execute(text("lock table journals in access exclusive mode"))  # which are looked at last
        process = subprocess.Popen(
            [SCRIPT, "verify", "--progress-file", str(file)],
            env={**os.environ, **{f"BALANCE_{name.upper()}": value for name, value in cli.settings.items()}},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        while not (file.exists() and _progress(file)["report"]["ranges"] == 3):
            assert process.poll() is None, process.stderr and process.stderr.read()
            Event().wait(0.01)
        process.kill()
        process.communicate(timeout=10)
    assert _progress(file)["step"] is not None, "it has not ended"
    done = cli("verify", "--progress-file", str(file))
    assert "goes on with" in done.stderr
    assert "3 ranges verified" in done.stderr
    assert done.stdout == "verify: ok, 3 accounts, 7 entries, 2 grants, 5 records\n"
    assert done.returncode == 0
    assert json.loads(file.read_text())["ended"] is True
    again = cli("verify", "--progress-file", str(file))
    assert ("goes on" in again.stderr, again.stdout) == (False, done.stdout), "the next one begins anew"
    assert [*tmp_path.iterdir()] == [file]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.tampered_ledger
def test_what_was_found_before_it_was_killed_is_told_at_the_end(
    cli: Cli, engine: Engine, story: Story, tmp_path: Path
) -> None:
    file = tmp_path / "verify.json"
    assert execute(engine, _TAMPER, seq=2) == 1
    whole = cli("verify", "--progress-file", str(file))
    assert whole.returncode == 1
    _stopped(file)
    execute(engine, _TAMPER.replace("+", "-"), seq=2)  # what is found is found, whatever it becomes
    done = cli("verify", "--progress-file", str(file))
    assert (done.stdout, done.returncode) == (whole.stdout, 1)


@pytest.mark.parametrize(
    ("name", "other"),
    [("version", "0.0.1"), ("ledger", "another, schema public"), ("part", "0/2"), ("against", "/mnt/x 51d2")],
)
def test_a_file_of_another_run_is_refused(cli: Cli, story: Story, tmp_path: Path, name: str, other: str) -> None:
    file = tmp_path / "verify.json"
    cli.text("verify", "--progress-file", str(file))
    _stopped(file, **{name: other})
    before = file.read_bytes()
    said = told(cli("verify", "--progress-file", str(file)))
    assert f"is of a run with {name} {other}" in said
    assert "name another file, or remove this one to begin anew" in said
    assert file.read_bytes() == before


def test_a_file_of_another_ledger_of_that_name_is_refused(
    cli: Cli, engine: Engine, story: Story, tmp_path: Path
) -> None:
    file = tmp_path / "verify.json"
    cli.text("verify", "--progress-file", str(file))
    _stopped(file)
    document = json.loads(file.read_text())
    progress = json.loads(document["progress"])
    progress["seen"]["1"] = [99, "00"]  # which a backup that was restored does not have
    file.write_text(json.dumps({**document, "progress": json.dumps(progress)}))
    said = told(cli("verify", "--progress-file", str(file)))
    assert "this is not the ledger that the run began with" in said
    assert "record 99 of journal 1" in said


@pytest.mark.parametrize("content", ["x", "[]", '{"what": "balance-worker verify"}', "{}", "progress"])
def test_a_file_that_is_something_else_is_refused_and_kept(
    cli: Cli, story: Story, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "verify.json"
    if content == "progress":
        cli.text("verify", "--progress-file", str(file))
        _stopped(file, progress="{}")
        content = file.read_text()
    file.write_text(content)
    assert "is not what `balance-worker verify` writes" in told(cli("verify", "--progress-file", str(file)))
    assert file.read_text() == content


def _progress(file: Path) -> Any:
    return json.loads(json.loads(file.read_text())["progress"])


def _stopped(file: Path, **others: str) -> None:
    """As if the run had been killed before its last step."""
    document = json.loads(file.read_text())
    progress = {**json.loads(document["progress"]), "step": "rest", "seen": {}}
    file.write_text(json.dumps({**document, "ended": False, "progress": json.dumps(progress), **others}))


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
