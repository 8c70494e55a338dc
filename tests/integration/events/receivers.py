"""The examples of receivers as processes, in Python and for Node."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from tests.integration.transport.brokers import wait_until
from tests.support.servers.node import need_node
from worker.local.spawn import spawn

ROOT: Final = Path(__file__).resolve().parents[3]
READY: Final = re.compile(r"^ready(?: on (\S+))?$", re.MULTILINE)
STOPS_S: Final = 10.0

Language = Literal["python", "node"]
LANGUAGES: Final = pytest.mark.parametrize("language", ["python", "node"])


class Receiver:
    """One that runs, and what it has printed."""

    def __init__(self, words: list[str], log: Path, environment: dict[str, str]) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = spawn(
                words, death_signal=signal.SIGKILL, env={**os.environ, **environment}, output=output, cwd=ROOT
            )
        wait_until(lambda: READY.search(self.text) or self.process.poll() is not None, "it to be ready")
        found = READY.search(self.text)
        assert found, self.text
        self.url = found[1]

    @property
    def text(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def events(self) -> list[dict[str, Any]]:
        """In the order in which it printed them; without a line that is being written."""
        return [json.loads(line) for line in self.text.split("\n")[:-1] if line.startswith("{")]

    @property
    def numbers(self) -> list[int]:
        return [event["seq"] for event in self.events]

    def stop(self) -> None:
        """It ends by itself, without complaint, when it is told to."""
        self.process.terminate()
        assert self.process.wait(STOPS_S) == 0, self.text
        assert "Error" not in self.text


@contextmanager
def receiving(
    language: Language, example: str, log: Path, *words: str, environment: dict[str, str] | None = None
) -> Iterator[Receiver]:
    """`python examples/events/EXAMPLE.py WORDS`, or node with the .mjs, until the block ends."""
    program = [need_node(), f"{example}.mjs"] if language == "node" else [sys.executable, f"{example}.py"]
    receiver = Receiver([program[0], f"examples/events/{program[1]}", *words], log, environment or {})
    try:
        yield receiver
    finally:
        receiver.process.kill()
        receiver.process.wait(STOPS_S)
