"""The product's processes in a run: ended and started again on purpose. One that ends by itself is a finding."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import Final

from worker.local.spawn import spawn

_ROOT: Final = Path(__file__).resolve().parents[2]
_STOP_S: Final = 120.0  # a warm stop while a link is half-open, which takes a few socket timeouts
_RESTART_S: Final = 5.0
_SAID_LINES: Final = 12  # of a log, which is kept whole


class Child:
    """One process, started as often as it takes. `clock_s`: by how much its clock is off, where that is possible."""

    def __init__(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], logs: Path, clock_s: int = 0
    ) -> None:
        self.name = name
        self._argv, self._environment, self._clock_s = argv, environment, clock_s
        self._log = logs / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._ours = False  # we ended it, or are about to
        self._lock = RLock()
        self._starting, self._patience = False, 0.0  # when it was told to stop; until when it may take its time
        self.paused = False
        self.starts = 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, clock_s: int | None = None) -> None:
        clock_s = self._clock_s if clock_s is None else clock_s
        with self._lock:
            environment = {**os.environ, "PYTHONPATH": str(_ROOT), **self._environment}
            with self._log.open("ab") as output:
                self._process = spawn(
                    [sys.executable, *self._command(clock_s)],
                    death_signal=signal.SIGKILL, env=environment, output=output, cwd=_ROOT,
                )  # fmt: skip
            self._ours = self.paused = False
            self.starts += 1

    def kill(self) -> None:
        """SIGKILL."""
        with self._lock:
            self._ours = True
        self._signal(signal.SIGKILL)
        self._wait(_STOP_S)

    def stop(self) -> None:
        """SIGTERM. What comes of it: `stopping`, `farewell`."""
        self.expect_end()
        self._starting = not self._catches(signal.SIGTERM)
        self._signal(signal.SIGTERM)

    def expect_end(self) -> None:
        """Somebody tells it to stop: its end is no finding. What comes of it: `stopping`, `farewell`."""
        with self._lock:
            self._ours, self._starting = True, False
        self._patience = monotonic() + _STOP_S

    @property
    def stopping(self) -> bool:
        """Whether it may still take its time."""
        return self.running and monotonic() < self._patience

    def farewell(self) -> str | None:
        """Waits for its end. Returns what was wrong with how it ended, if anything."""
        code = self._wait(max(self._patience - monotonic(), 0))
        if code is None:
            said = self.said()
            self.kill()
            return f"{self.name} did not stop within {_STOP_S:g} s of SIGTERM\n{said}"
        # Before Celery has set up its handlers there is nothing to end in order: the signal itself ends the process.
        well = code == 0 or (self._starting and code == -signal.SIGTERM)
        return None if well else f"{self.name} ended with {code} after SIGTERM\n{self.said()}"

    def pause(self) -> None:
        self.paused = True
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)
        self.paused = False

    def fallen(self) -> str | None:
        """What is to be said when it has ended without having been told to: the one thing that may not happen."""
        with self._lock:
            process = self._process
            if process is None or self._ours or process.poll() is None:
                return None
            return f"{self.name} ended by itself with {process.returncode}\n{self.said()}"

    def said(self) -> str:
        """The end of its log."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-_SAID_LINES:])

    def restart(self, clock_s: int | None = None) -> None:
        """Stops and starts it, for so long with another clock."""
        self.stop()
        if self._wait(_RESTART_S) is None:
            self.kill()
        self.start(clock_s)

    def close(self) -> None:
        if self.running:
            self._signal(signal.SIGCONT)
            self.kill()

    def _command(self, clock_s: int) -> Sequence[str]:
        return self._argv

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                self._process.send_signal(number)

    def _catches(self, number: signal.Signals) -> bool:
        """Whether the process has a handler of its own. Where the system does not say (it has no /proc): yes."""
        try:
            status = Path(f"/proc/{self._process.pid if self._process else 0}/status").read_text()
        except OSError:
            return True
        mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(mask, 16) >> (number - 1) & 1)

    def _wait(self, timeout_s: float) -> int | None:
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None


class CeleryChild(Child):
    """One whose arguments are Celery's."""

    def _command(self, clock_s: int) -> Sequence[str]:
        if clock_s:
            return ["-m", "tests.chaos.shifted", str(clock_s), *self._argv]
        return ["-m", "celery", "-A", "worker.app", *self._argv]
