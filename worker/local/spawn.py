"""Child processes that end with us: not by Ctrl-C in our terminal, but when we are gone, even by SIGKILL."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO

_CHILD_EXEC = Path(__file__).with_name("child_exec.py")


@dataclass(frozen=True)
class Identity:
    """The operating system's user and group, by number, that a child runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class _Request:
    argv: Sequence[str]
    env: Mapping[str, str] | None
    output: IO[bytes] | None
    cwd: Path | None

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.argv,
            env=None if self.env is None else dict(self.env),
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if self.output is None else self.output,
            stderr=subprocess.DEVNULL if self.output is None else subprocess.STDOUT,
            start_new_session=True,
        )


class _Spawner:
    """One thread that starts all children.

    Linux sends the death signal when the *thread* that started the child ends, so a child must never be started by a
    thread that ends before the process does.
    """

    def __init__(self) -> None:
        self._requests: SimpleQueue[tuple[Future[subprocess.Popen[bytes]], _Request]] = SimpleQueue()
        self._lock = Lock()
        self._thread: Thread | None = None

    def spawn(self, request: _Request) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._serve, name="spawner", daemon=True)
                self._thread.start()
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._requests.put((answer, request))
        return answer.result()

    def _serve(self) -> None:
        while True:
            answer, request = self._requests.get()
            try:
                answer.set_result(request.start())
            except Exception as error:  # noqa: BLE001 -- handed to the thread that asked, where it is raised again
                answer.set_exception(error)


_spawner = _Spawner()


def spawn(
    argv: Sequence[str],
    *,
    death_signal: signal.Signals,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
    cwd: Path | None = None,
    identity: Identity | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own and return its process.

    It gets `death_signal` when this process dies in whatever way (Linux; elsewhere it stays). `output` takes both of
    its streams; without it they are discarded. With `identity` it runs as that user, which only root may ask for.
    Raises OSError when it cannot be started; a program that cannot be executed shows as an exit code instead.
    """
    who = identity or Identity(-1, -1)
    wrapper = [sys.executable, "-I", "-S", str(_CHILD_EXEC)]
    words = [str(int(death_signal)), str(os.getpid()), str(who.uid), str(who.gid)]
    return _spawner.spawn(_Request(argv=[*wrapper, *words, *argv], env=env, output=output, cwd=cwd))
