"""The program as a whole: its help, its start, what it prints where, and docs/cli.md."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Cli, told
from tests.support.command import SCRIPT
from worker.cli.deferred import Deferred
from worker.cli.documents.reference import cli_markdown
from worker.cli.main import make_app
from worker.cli.terminal import faults

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {"sqlalchemy", "alembic", "psycopg", "celery", "kombu", "redis", "rich", "pydantic", "worker.settings.settings"}
MARKDOWN = cli_markdown(make_app())
PAGES = re.findall(r"^## ([^\n]+)\n\n```text\n(.*?)\n```$", MARKDOWN, flags=re.MULTILINE | re.DOTALL)


def _deferred(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Deferred]]:
    for name, command in group.commands.items():
        if isinstance(command, Deferred):
            yield (*path, name), command
        else:
            yield from _deferred(command, (*path, name))


DEFERRED = dict(_deferred(make_app()))


@pytest.fixture
def cli() -> Cli:
    """Without settings: nothing here needs a server."""
    return Cli()


def test_docs_are_what_the_commands_say() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    assert page == MARKDOWN, "run `balance-worker reference > docs/cli.md`"


@pytest.mark.parametrize("command", ["balance-worker", "balance-worker jobs", "balance-worker jobs list"])
def test_help_is_what_the_docs_say(cli: Cli, command: str) -> None:
    """All, a group, a command: the page is made of what the commands say, and they print it in one way."""
    assert cli.text(*command.split()[1:], "--help").strip() == dict(PAGES)[command].strip()


def test_docs_have_every_command() -> None:
    assert {command for command, _ in PAGES} == {
        "balance-worker",
        *(
            f"balance-worker {name}"
            for name in (
                *(
                    "up",
                    "demo",
                    "migrate",
                    "distribute",
                    "grants",
                    "anchor",
                    "anchor-keys",
                    *("http", "http-key"),
                    "publish",
                    "why",
                    "report",
                    "verify",
                    "doctor",
                    *("top", "ready"),
                    "remake-queue",
                    "asyncapi",
                    "config",
                    "completion",
                ),
                *("jobs", "jobs list", "jobs show", "jobs reconcile"),
                *("accounts", "accounts list", "accounts show", "accounts statement", "accounts repair"),
                *("auto-topup", "auto-topup list", "auto-topup show", "auto-topup explain", "auto-topup history"),
                *("auto-topup resume", "auto-topup run-now", "auto-topup cancel"),
                *("charges", "charges list", "charges show", "charges settle"),
                *("charging", "charging show", "charging pause", "charging resume"),
                *("dead-letters", "dead-letters list", "dead-letters show", "dead-letters replay"),
                "dead-letters discard",
                *("webhooks", "webhooks list", "webhooks show", "webhooks add", "webhooks update", "webhooks enable"),
                *("webhooks disable", "webhooks rotate-secret", "webhooks remove", "webhooks test"),
                *("webhooks deliveries", "webhooks replay"),
            )
        ),
    }


@pytest.mark.parametrize(("command", "page"), PAGES, ids=[command for command, _ in PAGES])
def test_every_command_has_an_example_or_commands_below_it(command: str, page: str) -> None:
    assert "Example" in page or "Commands:" in page


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys, worker.cli.main as m; m.make_app()(['--help'], prog_name='balance-worker', standalone_mode=False);"
        f"print('loaded:', *({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: balance-worker")
    assert done.stdout.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize("command", DEFERRED, ids=[" ".join(path) for path in DEFERRED])
@pytest.mark.parametrize("width", [45, 80, 1_000])
def test_the_listing_says_of_a_command_what_its_own_help_says(command: tuple[str, ...], width: int) -> None:
    listed = DEFERRED[command]
    itself = listed.load()
    assert listed.get_short_help_str(width) == itself.get_short_help_str(width)
    assert (listed.name, listed.hidden) == (itself.name, itself.hidden)


@pytest.mark.parametrize("program", [[SCRIPT], [sys.executable, "-m", "worker.cli.main"]], ids=["script", "module"])
def test_both_ways_to_start_it(program: list[str]) -> None:
    def text(option: str) -> str:
        return subprocess.run([*program, option], capture_output=True, text=True, check=True).stdout

    assert re.fullmatch(r"balance-worker \d+\.\d+\.\d+\n", text("--version"))
    assert text("--help").startswith("Usage: balance-worker [OPTIONS]")


def test_help_needs_no_right_settings(cli: Cli) -> None:
    assert cli("jobs", "list", "--help", pool_size="nonsense").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Usage: balance-worker"),
        (["job"], "Did you mean 'jobs'"),
        (["jobs"], "Usage: balance-worker jobs"),
        (["jobs", "list", "--limt", "3"], "--limit"),
        (["jobs", "list", "--limit", "0"], "greater than or equal to 1"),
        (["jobs", "show", "not-a-uuid"], "JOB_ID"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_right(cli: Cli, arguments: list[str], says: str) -> None:
    assert says in told(cli(*arguments))


def test_output_into_a_pipe_that_was_closed_is_no_traceback() -> None:
    with subprocess.Popen([SCRIPT, "publish", "--list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == faults.NO


def test_a_mistake_of_ours_is_70_with_a_traceback_and_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        faults.stop(RuntimeError("at redis://user:hunter2@broker/0"))
    assert ended.value.code == faults.BUG
    stderr = capsys.readouterr().err
    assert "RuntimeError: at redis://user:***@broker/0" in stderr
    assert stderr.endswith(
        "balance-worker: this is a mistake in balance-worker; please report it with the lines above\n"
    )
