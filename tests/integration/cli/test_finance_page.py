"""The commands of docs/finance.md, as they stand there, in their order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.acceptance.system import wait_until
from tests.integration.cli.conftest import Cli, Story
from tests.support.builders import done, rows
from tests.support.command import SCRIPT

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "finance.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- tested: (\w+) -->\n```console\n(.*?)```", PAGE, re.DOTALL))


def test_every_block_of_commands_is_run() -> None:
    assert PAGE.count("```console") == len(BLOCKS) == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", BLOCKS)
def test_its_commands_do_what_it_says(cli: Cli, engine: Engine, story: Story, tmp_path: Path, name: str) -> None:
    if "jq" in BLOCKS[name] and shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    done(engine, "wallets.create", wallet_id="w2", customer_id="c-17")
    # A command asks for how it was a second ago: by then all of them are there.
    wait_until("a second", lambda: not rows(engine, "select 1 from accounts where created_at > now() - interval '2s'"))
    given = {f"BALANCE_{key.upper()}": value for key, value in cli.settings.items()}
    ours = {key: value for key, value in os.environ.items() if not key.startswith("BALANCE_")}
    environment = ours | given | {"PATH": f"{Path(SCRIPT).parent}:{os.environ['PATH']}", "COLUMNS": "100"}
    for command in re.findall(r"^\$ (.*)$", BLOCKS[name], re.MULTILINE):
        finished = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert finished.returncode == 0, (command, finished.stderr)
        assert finished.stdout or ">" in command, command
