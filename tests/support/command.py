"""`balance-worker …` in a process of its own, forked: starting the program takes most of its time, and shows nothing.

That the real program starts, too, is shown by tests/integration/cli/test_main.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.support.servers import forks
from worker.cli.main import main

SCRIPT: Final = str(Path(sys.executable).with_name("balance-worker"))
Finished = subprocess.CompletedProcess[str]


def run(*arguments: str, environment: Mapping[str, str], answer: str = "", timeout_s: float = 60) -> Finished:
    """What came of it. Raises subprocess.TimeoutExpired."""
    with TemporaryDirectory() as directory:
        stdin, stdout, stderr = (Path(directory, name) for name in ("stdin", "stdout", "stderr"))
        stdin.write_text(answer)
        process = forks.start(_main, arguments, environment=environment, stdin=stdin, stdout=stdout, stderr=stderr)
        if (code := forks.exit_code(process, timeout_s)) is None:
            forks.kill(process)
            raise subprocess.TimeoutExpired(arguments, timeout_s, stdout.read_text(), stderr.read_text())
        return Finished(arguments, code, stdout.read_text(), stderr.read_text())


def _main(arguments: Sequence[str]) -> None:
    sys.argv = [SCRIPT, *arguments]
    main()
