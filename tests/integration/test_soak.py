"""What soaking finds is told as the command that finds it again."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration import planted
from tests.support.search import AGAIN

_ROOT = Path(__file__).resolve().parents[2]
_PLANTED = "tests/integration/planted.py"


def started(command: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "EXAMPLES": "50"}
    return subprocess.Popen(
        command, cwd=_ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def as_here(command: str) -> list[str]:
    """A `make` command for the environment that these tests run in."""
    make, *words = shlex.split(command)
    return [make, f"--old-file={sys.prefix}/.installed", f"VENV={sys.prefix}", *words]


def drawn(said: str) -> set[str]:
    """What failed: the numbers as they were drawn, and the steps of the smallest life."""
    return {*re.findall(r"drawn: \[.*\]|^E +Step\(.*", said, re.MULTILINE)}


@pytest.mark.slow
def test_what_a_turn_finds_is_told_as_the_command_that_repeats_it() -> None:
    soak = started([sys.executable, "-m", "tests.soak", "--duration=0", "--turn=properties", f"--tests={_PLANTED}"])
    said, _ = soak.communicate()
    assert soak.returncode == 1, said
    _, summary = said.split("soak: 1 turns")
    commands = [line.removeprefix(AGAIN) for line in summary.splitlines() if line.startswith(AGAIN)]
    assert {command.rpartition("::")[2] for command in commands} == {"test_numbers_are_small", "test_lives_are_short"}
    repeats = [started(as_here(command)) for command in commands]
    again = [drawn(repeat.communicate()[0]) for repeat in repeats]
    assert all(repeat.returncode for repeat in repeats)
    assert again[0] | again[1] == drawn(said)
    with pytest.raises(AssertionError) as always:
        planted.test_numbers_are_small()
    assert not drawn(str(always.value)) & drawn(said), "the seed draws other numbers than the gate"
