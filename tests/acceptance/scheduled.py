"""The I/O worker and beat of one system, which may be told where to die."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kombu import Exchange, Queue

from tests.acceptance.killpoints import KillPoint, start
from tests.acceptance.system import System
from tests.support.servers import forks


class Scheduled:
    """Ticks are sent by the test, or by a beat."""

    def __init__(self, system: System, logs: Path) -> None:
        self.system = system
        self._logs, self._queue = logs, f"{system.queue}.io"
        system.client.conf.task_queues = [Queue(self._queue, Exchange(""), routing_key=self._queue)]

    def tick(self, name: str) -> None:
        self.system.client.send_task(name, queue=self._queue, ignore_result=True)

    @contextmanager
    def io_worker(self, name: str, point: KillPoint | None = None) -> Iterator[Any]:
        command = ["worker", "--pool=threads", "--concurrency=1", f"--queues={self._queue}"]
        command += [f"--hostname={name}@io", "--without-mingle"]
        yield from self._run(name, command, point)

    @contextmanager
    def beat(self, name: str, point: KillPoint | None = None) -> Iterator[Any]:
        yield from self._run(name, ["beat", f"--schedule={self._logs / 'schedule'}"], point)

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def ticks(self, name: str) -> int:
        """How many ticks a worker has finished."""
        return self.log(name).read_text().count(" succeeded in ")

    def _run(self, name: str, command: list[str], point: KillPoint | None) -> Iterator[Any]:
        process = start(command, self.system.environment, self.log(name), point)
        try:
            yield process
        finally:
            forks.kill(process)
