"""What README.md says to install, in an environment of its own: `pip install '.[embedded,flower,http]'`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.system import wait_until
from tests.support.distributions import ROOT, build
from tests.support.documents import block
from tests.support.environments import Environment, made
from tests.support.servers import servers

pytestmark = pytest.mark.slow

WORDS = block("README.md", "pip install").script.split()
EXTRAS = re.search(r"\[.+\]", WORDS[-1])


@pytest.fixture(scope="session")
def worker_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("worker-wheel"))


def test_what_is_installed_runs_all_of_it(shelf: Path, worker_wheel: Path) -> None:
    assert EXTRAS, WORDS
    installed = made(shelf, "worker", [f"balance-worker{EXTRAS[0]} @ {worker_wheel.as_uri()}"])
    with servers.server_directory() as directory:
        _up(installed, directory)


def _up(installed: Environment, directory: Path) -> None:
    log = directory / "up.log"
    words = [str(installed.path / "bin" / "balance-worker"), "up", "--json"]
    with log.open("w") as output:
        process = subprocess.Popen(words, cwd=directory, env=installed.variables(), stdout=output, stderr=output)
    try:

        def ready() -> dict[str, Any] | None:
            assert process.poll() is None, log.read_text()
            lines = [line for line in log.read_text().splitlines() if line.startswith('{"event": "ready"')]
            return json.loads(lines[0]) if lines else None

        told = wait_until("`up` to be ready", ready, 120)
        assert told["flower_url"]
        assert told["http_url"]
        shown = installed.run(["balance-worker", "accounts", "list"], directory, told["environment"])
        assert "wallet:w_1" in shown.stdout, shown.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("command", "extra"), [("up", "embedded"), ("demo", "embedded"), ("http", "http"), ("anchor-keys new", "anchors")]
)
def test_without_extras_a_command_says_which_it_lacks(
    shelf: Path, worker_wheel: Path, tmp_path: Path, command: str, extra: str
) -> None:
    bare = made(shelf, "worker-alone", [worker_wheel])
    done = bare.run(["balance-worker", *command.split()], tmp_path)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert f"pip install 'balance-worker[{extra}]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
