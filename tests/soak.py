"""`python -m tests.soak`: chaos, properties and fuzz in turn, each from a fresh seed, for as long as it is asked to.

What fails is told in the end as the command that repeats it. docs/chaos.md says what to do with it.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import Annotated, Final, Literal, get_args

import typer

from tests.support.search import AGAIN
from tests.support.servers.rabbitmq_node import rabbitmq_programs
from worker.local.spawn import spawn

What = Literal["chaos", "properties", "fuzz"]
_ROOT: Final = Path(__file__).resolve().parents[1]
_TESTS: Final[dict[What, list[str]]] = {
    "properties": ["tests/property", "tests/unit/test_schema_parity.py"],
    "fuzz": ["tests/acceptance/test_fuzz.py", "tests/property/test_wire.py"],
}
_EXAMPLES: Final = "1000"  # about a minute of properties on two cores
_CHAOS_S: Final = (10, 120)
_A_FIFTH: Final = 5


@dataclass(frozen=True, slots=True)
class Turn:
    """One of the things that look for the unknown, from its seed."""

    what: What
    seed: int
    argv: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """For a turn that did not come as far as telling one itself."""
        return shlex.join([*(f"{name}={value}" for name, value in self.environment.items()), *self.argv])


def main(
    duration: Annotated[int, typer.Option(min=0, help="No turn begins after so many seconds.")] = 600,
    turn: Annotated[list[str] | None, typer.Option(help="chaos, properties or fuzz; default: all, in turn.")] = None,
    tests: Annotated[str, typer.Option(help="The tests of the turn of properties; default: all of them.")] = "",
) -> None:
    """Looks for the unknown: each turn has a fresh seed, which is printed. Exit code 1 when anything failed; the last
    lines are the commands that repeat it. Ctrl-C ends the turn and tells what was found.

    Example: python -m tests.soak --duration 3600
    """
    if unknown := {*(turn or ())} - {*get_args(What)}:
        raise typer.BadParameter(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(get_args(What))}")
    player, began, done, again = _Player(), monotonic(), 0, list[str]()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, player.stop)
    for each in _turns(duration, turn or get_args(What), tests):
        if player.stopped or (done and monotonic() - began >= duration):
            break
        done += 1
        typer.echo(f"\nsoak: {monotonic() - began:4.0f} s, turn {done}: {each.what}, seed {each.seed}")
        again += player.play(each)
        typer.echo(f"soak: {len(again)} found so far")
    typer.echo(f"\nsoak: {done} turns in {monotonic() - began:.0f} s, {len(again)} found")
    for command in again:
        typer.echo(f"{AGAIN}{command}")
    raise typer.Exit(1 if again else 0)


def _turns(duration: int, kinds: Sequence[str], tests: str) -> Iterator[Turn]:
    shortest, longest = _CHAOS_S
    chaos_s = min(max(duration // _A_FIFTH, shortest), longest)
    broker = "both" if rabbitmq_programs() is not None else "redis"
    for kind in cycle(kinds):
        seed = secrets.randbelow(1_000_000_000)
        if kind == "chaos":
            options = {"--duration": chaos_s, "--seed": seed, "--broker": broker}
            words = [str(word) for option in options.items() for word in option]
            yield Turn("chaos", seed, [sys.executable, "-m", "tests.chaos", *words])
        else:
            what: What = "fuzz" if kind == "fuzz" else "properties"
            chosen = [tests] if tests and what == "properties" else ["-n", "2", *_TESTS[what]]
            pytest = [sys.executable, "-m", "pytest", "-q", "--timeout", "0", f"--hypothesis-seed={seed}"]
            yield Turn(what, seed, [*pytest, *chosen], {"EXAMPLES": os.environ.get("EXAMPLES", _EXAMPLES)})


class _Player:
    """Plays one turn at a time, until it is told to stop."""

    def __init__(self) -> None:
        self.stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    def stop(self, *_: object) -> None:
        """The turn that is played ends early, and tells what it has found."""
        self.stopped = True
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def play(self, turn: Turn) -> list[str]:
        """Shows what it says, and returns the commands that repeat what it found."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **turn.environment}
        heard, spoken = os.pipe()
        with os.fdopen(spoken, "wb") as output:
            # One that outlives us would go on for minutes.
            self._process = spawn(turn.argv, death_signal=signal.SIGINT, env=environment, output=output, cwd=_ROOT)
        said = b""
        with os.fdopen(heard, "rb", buffering=0) as pipe:
            while chunk := pipe.read(1 << 16):
                sys.stdout.buffer.write(chunk)
                sys.stdout.flush()
                said += chunk
        if self._process.wait() == 0:
            return []
        lines = [line.removeprefix("E").strip() for line in said.decode(errors="replace").splitlines()]
        told = dict.fromkeys(line.removeprefix(AGAIN) for line in lines if line.startswith(AGAIN))
        return [*told] or ([] if self.stopped else [turn.command])


if __name__ == "__main__":
    typer.run(main)
