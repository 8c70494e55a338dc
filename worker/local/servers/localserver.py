"""A server on 127.0.0.1 that belongs to one object: started, found again, stopped."""

import contextlib
import os
import secrets
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import IO, ClassVar, Self

from worker.local.data_directory import check_room, hold, located
from worker.local.ports import free_port, is_free
from worker.local.server_error import ServerError, plainly

_POLL_S = 0.02
_LOG_LIMIT_BYTES = 10_000_000
_START_ATTEMPTS = 5
_PORT_MAX = 65_535
_SHOWN_LINES = 8


class LocalServer(ABC):
    """What both servers share: a directory, a lock on it, a password, a port that stays, start and stop."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    room: ClassVar[int] = 1_000_000  # bytes that it takes at its first start
    start_timeout_s: ClassVar[float] = 60.0  # PostgreSQL may have to replay its log after a crash
    stop_timeout_s: ClassVar[float] = 30.0

    def __init__(self, data_dir: Path, port: int | None) -> None:
        self.directory = located(data_dir) / self.name
        self._wanted_port = port
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process id; None when it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1. Raises ServerError before the first start."""
        if self._port is None:
            raise ServerError(f"{self.name}: not started")
        return self._port

    @property
    def password(self) -> str:
        """The password, made at first start and kept in the data directory, readable by us alone.

        Raises ServerError before the first start.
        """
        try:
            return (self.directory / "password").read_text()
        except FileNotFoundError:
            raise ServerError(f"{self.name}: not started") from None

    @property
    def log_path(self) -> Path:
        """The server's own log."""
        return self.directory / "server.log"

    def start(self) -> None:
        """Start the server and return when it answers; nothing when it runs already.

        A server left over in this data directory by an owner that was killed is stopped first, cleanly.
        Raises ServerError when the wheels are missing, another process uses the directory, or it fails.
        """
        if self.pid is not None:
            return
        with plainly(self.directory):
            if self._lock is None:  # it is held when the server died under us
                self._lock = hold(self.directory)
            try:
                is_new = not (self.directory / "password").exists()
                check_room(self.directory, self.room if is_new else 0)
                if is_new:
                    write_private(self.directory / "password", secrets.token_urlsafe(24))
                self._prepare()
                self._stop_leftover()
                self._bring_up()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Stop the server the clean way, wait, and only then use force. Nothing when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            end(process, self.stop_signal, self.stop_timeout_s)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL to connect with, password included: never print it."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data directory complete; runs at every start."""

    @abstractmethod
    def _launch(self, output: IO[bytes]) -> subprocess.Popen[bytes]: ...

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server that we started accepts connections now."""

    @property
    @abstractmethod
    def _pid_file(self) -> Path: ...

    def _bring_up(self) -> None:
        """Choose a port, start and wait until the server answers."""
        moves = self._port is None  # once somebody has our URL, the port stays
        for attempt in range(1, _START_ATTEMPTS + 1):
            if moves:
                self._port = self._choose_port()
            with open_log(self.log_path) as output:
                before = output.tell()
                self._process = self._launch(output)
            if self._wait_until_answering(self._process):
                write_private(self.directory / "port", f"{self._port}\n")
                return
            said = self.log_path.read_bytes()[before:].decode(errors="replace").strip()
            # Lost the port between choosing and listening, or an older server's last processes are still ending.
            passing = "address already in use" in said.lower() or "is still in use" in said
            if not passing or attempt == _START_ATTEMPTS:
                raise ServerError(f"{self.name} did not start (log: {self.log_path}):\n{last_lines(said)}")
            Event().wait(0.2 * attempt)

    def _choose_port(self) -> int:
        if self._wanted_port is not None:
            return self._wanted_port
        remembered = self.directory / "port"
        noted = remembered.read_text().strip() if remembered.exists() else ""
        usable = noted.isdecimal() and 0 < int(noted) <= _PORT_MAX and is_free(int(noted))
        return int(noted) if usable else free_port()

    def _wait_until_answering(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + self.start_timeout_s
        while time.monotonic() < deadline:
            if self._answers():
                return True
            try:
                process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue
            return False
        end(process, signal.SIGKILL, self.stop_timeout_s)
        raise ServerError(f"{self.name} did not answer in {self.start_timeout_s:g} s (log: {self.log_path})")

    def _stop_leftover(self) -> None:
        """Stop the server that a killed owner left running here. It is ours: we hold the directory's lock."""
        try:
            pid = int(self._pid_file.read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return
        if not self._is_ours(pid):
            # The number now belongs to somebody else; PostgreSQL would take that for itself and refuse to start.
            self._pid_file.unlink(missing_ok=True)
            return
        os.kill(pid, self.stop_signal)
        deadline = time.monotonic() + self.stop_timeout_s
        while self._is_ours(pid):
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name}: process {pid} of an earlier run does not stop; stop it by hand")
            Event().wait(_POLL_S)

    def _is_ours(self, pid: int) -> bool:
        """Whether the process runs with a command line that names our directory (a number alone may be reused)."""
        if Path("/proc/self/cmdline").exists():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                return False
        else:
            command = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False).stdout
        return os.fsencode(str(self.directory)) in command


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; after a power loss it is there whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def end(process: subprocess.Popen[bytes], stop_signal: signal.Signals, timeout_s: float) -> bool:
    """Ask the process to stop and wait; after `timeout_s` seconds kill its whole session. Returns whether it obeyed."""
    process.send_signal(stop_signal)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):  # ended at the last moment
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False
    return True


def last_lines(said: str, count: int = _SHOWN_LINES) -> str:
    """The end of what a program said, where it says why it ended."""
    return "\n".join([line for line in said.splitlines() if line.strip()][-count:])


def open_log(path: Path) -> IO[bytes]:
    """Open a log that only we can read, to append to; one that has passed 10 MB is first moved to `NAME.1`."""
    if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
        path.rename(path.with_name(f"{path.name}.1"))
    file = path.open("ab")
    path.chmod(0o600)
    return file
