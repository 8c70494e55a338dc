"""Worker processes of one measurement: started together, watched, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Final

from worker.local.spawn import spawn

_ROOT: Final = Path(__file__).resolve().parent.parent
_STOP_S: Final = 30.0


class WorkerFailed(Exception):
    """A worker ended, or did not do what was waited for; the message holds the end of its log."""


class Workers:
    """Running worker processes."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]], log: Path) -> None:
        self._processes = processes
        self._log = log

    def wait_until(self, what: str, condition: Callable[[], bool], timeout_s: float, poll_s: float = 0.05) -> None:
        """Returns when the condition holds. Raises WorkerFailed when a worker ends, or after `timeout_s`."""
        deadline, pause = monotonic() + timeout_s, Event()
        while not condition():
            self.check()
            if monotonic() > deadline:
                raise WorkerFailed(f"waited {timeout_s:g} s until {what}\n{self._said()}")
            pause.wait(poll_s)

    def check(self) -> None:
        """Raises WorkerFailed when one has ended."""
        if ended := [process.returncode for process in self._processes if process.poll() is not None]:
            raise WorkerFailed(f"a worker ended with {ended[0]}\n{self._said()}")

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def resident_mib(self) -> float:
        """The resident memory of all of them, in MiB."""
        pids = ",".join(str(process.pid) for process in self._processes)
        answer = subprocess.run(["ps", "-o", "rss=", "-p", pids], capture_output=True, check=True, text=True)
        return sum(map(int, answer.stdout.split())) / 1024

    def _said(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])


@contextmanager
def running(commands: Sequence[Sequence[str]], environment: Mapping[str, str], log: Path) -> Iterator[Workers]:
    """Starts the workers; at the end they finish what they have in hand, acknowledge it and stop."""
    processes: list[subprocess.Popen[bytes]] = []
    env = {**os.environ, "PYTHONPATH": str(_ROOT), **environment}
    with log.open("ab") as output:
        try:
            processes.extend(
                spawn(command, death_signal=signal.SIGQUIT, env=env, output=output, cwd=_ROOT) for command in commands
            )
            yield Workers(processes, log)
        finally:
            alive = [process for process in processes if process.poll() is None]
            for process in alive:
                process.send_signal(signal.SIGTERM)  # once: a second one is an order to drop what is in hand
            for process in alive:
                _wait(process)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own, with its children
        process.wait()
