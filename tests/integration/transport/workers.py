"""Real Celery workers of the small app, and what became of the jobs that were published for them."""

import base64
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from celery import Celery

from tests.integration.transport.brokers import Broker, Kind, wait_until
from tests.support.servers import forks


class Worker:
    """A worker process. Its broker may be something between it and the real one, which is `direct`."""

    def __init__(
        self,
        broker: Broker,
        log: Path,
        kind: Kind,
        url: str | None = None,
        direct: Broker | None = None,
        prefetch: int = 10,
        pool: str = "solo",
        **options: Any,
    ) -> None:
        self.broker, self.direct, self._log = broker, direct or broker, log
        given = {
            "kind": kind, "broker": url or broker.url, "direct": self.direct.url, "prefix": broker.prefix,
            "prefetch": prefetch, "options": options,
        }  # fmt: skip
        words = ["worker", "-P", pool, "-c", "1", "-n", f"{uuid4().hex}@test", "-l", "info"]
        words += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        environment = {**os.environ, "TRANSPORT_TEST": json.dumps(given)}
        self.process = forks.celery(words, environment=environment, log=log, app="tests.integration.transport.app")

    def wait_until_waiting(self) -> None:
        """Until the broker knows it as a client that is blocked."""
        wait_until(lambda: self.blocked or self.process.poll() is not None, "the worker waits", timeout_s=60)
        assert self.process.poll() is None, self.log

    @property
    def blocked(self) -> bool:
        clients = self.broker.client.client_list()
        mine = [client for client in clients if client["name"] == self.broker.prefix]
        looks = [client for client in mine if "b" in client["flags"]]
        return len(looks) == (4 if any(client["cmd"] == "blmove" for client in looks) else 1)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def done(self) -> list[int]:
        return [int(number) for number in self.direct.client.lrange(f"{self.broker.prefix}done", 0, -1)]

    def freeze(self) -> None:
        """It does nothing any more when this returns."""
        self.process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.process.pid}/stat")
        wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the worker is stopped")

    def kill(self) -> int:
        self.process.kill()
        return self.process.wait(20)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()


@contextmanager
def working(broker: Broker, tmp_path: Path, kind: Kind, **options: Any) -> Iterator[Worker]:
    """A worker that waits for jobs, killed at the end if it still runs."""
    worker = Worker(broker, tmp_path / f"{uuid4().hex}.log", kind, **options)
    try:
        worker.wait_until_waiting()
        yield worker
    finally:
        worker.close()


def send(broker: Broker, *numbers: int, task: str = "job") -> None:
    """Publish jobs straight to the broker, with the stock transport."""
    app = Celery("sender", broker=broker.url, set_as_current=False)
    with broker.connect("stock") as connection:
        for number in numbers:
            app.send_task(task, (number,), connection=connection, queue="jobs", exchange="", routing_key="jobs")


def number_of(message: dict[str, Any]) -> int:
    number: int = json.loads(base64.b64decode(message["body"]))[0][0]
    return number


def left(broker: Broker) -> list[int]:
    """The jobs that the broker still has, waiting or unacknowledged."""
    waiting = [json.loads(entry) for entry in broker.raw()]
    unacked = [json.loads(record)[0] for record in broker.client.hvals(f"{broker.prefix}unacked")]
    return sorted(number_of(message) for message in waiting + unacked)
