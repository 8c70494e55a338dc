"""Processes forked from one that has imported everything: a start costs hundredths of a second, not one or two.

Each gets its environment and its standard streams before it runs anything, as a program would. That the real programs
start, too, is shown by tests of their own.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Lock
from typing import Any, Final

_FORKS: Final = multiprocessing.get_context("forkserver")
# Everything that worker.app and the commands import, and Celery loads late; not worker.app, which looks for Flower, and
# so not the command doctor.
_FORKS.set_forkserver_preload(
    [
        __name__, "tests.acceptance.killpoints", "tests.support.command",
        "celery.bin.celery", "celery.bin.worker", "celery.apps.worker", "celery.concurrency.solo",
        "celery.concurrency.thread", "celery.apps.beat", "kombu.transport.redis", "kombu.transport.pyamqp",
        "celery.backends.redis", "celery.backends.rpc", "celery.worker.autoscale", "celery.worker.strategy",
        "psycopg", "sqlalchemy.dialects.postgresql.psycopg", "worker.consuming.consumer", "worker.schedule",
        "worker.brokers.redis.channel", "worker.cli.main", "worker.local.stack", "worker.dead_letters.replay",
        "worker.cli.accounts.commands", "worker.cli.accounts.repair", "worker.cli.dead_letters.actions",
        "worker.cli.documents.asyncapi", "worker.cli.documents.config", "worker.cli.jobs.commands",
        "worker.cli.jobs.publish", "worker.cli.operations.anchor", "worker.cli.operations.migrate",
        "worker.cli.operations.verify", "worker.cli.operations.http", "worker.http.server",
        "worker.cli.terminal.explanation",
        "worker.doctor.examination", "models.store.read.jobs", "models.store.read.dead_letters",
        "models.store.read.explained",
        "models.store.audit.ledger", "models.store.schema.migrations", "models.store.server.diagnosis",
        "balance_client.client", "rich.console", "rich.table", "rich.progress", "rich.status", "rich.text",
    ]
)  # fmt: skip
STACKS: Final = signal.SIGRTMIN
"""A process of a test writes to its standard error what each thread of it is doing."""
# Starting a process also asks how the others ended, and the answer can be read once: two threads would spoil it.
_ONE_AT_A_TIME: Final = Lock()


def start(
    run: Callable[..., None],
    *arguments: Any,
    environment: Mapping[str, str],
    stdin: Path = Path(os.devnull),
    stdout: Path,
    stderr: Path,
) -> ForkServerProcess:
    """`run(*arguments)` in a process of its own. What it writes is added to the files; they may be the same."""
    for log in (stdout, stderr):
        log.touch()
    process = _FORKS.Process(target=_run, args=(run, arguments, dict(environment), stdin, stdout, stderr), daemon=True)
    with _ONE_AT_A_TIME:
        process.start()
    return process


def exit_code(process: ForkServerProcess, timeout_s: float | None = 60) -> int | None:
    """Wait for the end. None if that did not come in time; minus the signal if one killed it."""
    wait([process.sentinel], timeout=timeout_s)
    with _ONE_AT_A_TIME:
        return process.exitcode


class Fork:
    """A process with what tests use of subprocess.Popen."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self._process = process

    def poll(self) -> int | None:
        return exit_code(self._process, 0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        code = exit_code(self._process, timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def celery(words: list[str], *, environment: Mapping[str, str], log: Path, app: str = "worker.app") -> Fork:
    """`celery -A worker.app …`."""
    return Fork(start(_celery, app, words, environment=environment, stdout=log, stderr=log))


def command(words: list[str], before: Callable[[], None] | None, *, environment: Mapping[str, str], log: Path) -> Fork:
    """`balance-worker …`."""
    return Fork(start(_command, words, before, environment=environment, stdout=log, stderr=log))


def _command(words: list[str], before: Callable[[], None] | None) -> None:
    if before is not None:
        before()
    from worker.cli.main import main

    sys.argv = ["balance-worker", *words]
    main()


def _celery(app: str, words: list[str]) -> None:
    from celery.__main__ import main

    sys.argv = ["celery", "-A", app, *words]
    main()


def kill(process: ForkServerProcess) -> None:
    """It is gone when this returns, whether it was alive or not."""
    process.kill()
    exit_code(process)


def _run(
    run: Callable[..., None],
    arguments: tuple[Any, ...],
    environment: dict[str, str],
    stdin: Path,
    stdout: Path,
    stderr: Path,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(stdin, os.O_RDONLY), 0)
    os.dup2(os.open(stdout, os.O_WRONLY | os.O_APPEND), 1)
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_APPEND), 2)
    faulthandler.register(STACKS, file=2)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # multiprocessing has put another in its place
    run(*arguments)
