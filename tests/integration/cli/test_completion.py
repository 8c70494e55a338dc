"""Shell completion, in a shell: what is typed, a tab, and what stands there then."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.integration.cli.conftest import Cli, told
from tests.support.command import SCRIPT

LIMIT_S = 60


class Terminal:
    def __init__(self, end: int) -> None:
        self._end, self._seen = end, ""

    def type(self, text: str) -> None:
        self._seen = ""
        os.write(self._end, text.encode())

    def wait_for(self, text: str) -> None:
        """What the shell has written since the last typing. Fails when it does not come."""
        deadline = monotonic() + LIMIT_S
        while text not in self._seen:
            assert monotonic() < deadline, self._seen
            if select.select([self._end], [], [], 1)[0]:
                self._seen += os.read(self._end, 4096).decode(errors="replace")


@contextmanager
def bash() -> Iterator[Terminal]:
    """An interactive one, without anybody's settings."""
    ours, theirs = pty.openpty()
    environment = {"PATH": f"{Path(SCRIPT).parent}:{os.environ['PATH']}", "PS1": "ready ", "TERM": "dumb", "HOME": "/"}
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)


def test_bash_completes_commands_and_options() -> None:
    with bash() as terminal:
        terminal.type('eval "$(balance-worker completion bash)" && echo do""ne\n')
        terminal.wait_for("done")
        terminal.type("balance-worker acc\t")
        terminal.wait_for("accounts ")
        terminal.type("stat\t")
        terminal.wait_for("statement ")
        terminal.type("wallet:w1 --fr\t")
        terminal.wait_for("--from ")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_others_are_told_to_ask_the_same_program(shell: str) -> None:
    text = Cli().text("completion", shell)
    assert "_BALANCE_WORKER_COMPLETE" in text
    assert f"complete_{shell}" in text


def test_what_is_no_shell_is_refused() -> None:
    assert "'bash', 'zsh', 'fish'" in told(Cli()("completion", "csh"))
