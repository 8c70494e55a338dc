"""A running system to test from outside: real worker processes, a plain Celery client, the database for the truth."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from celery import Celery
from celery.result import AsyncResult
from celery.states import READY_STATES, SUCCESS
from kombu import Exchange, Queue
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import Engine, text

from balance_client.brokers.addresses import kombu_url, sentinel_options
from balance_client.brokers.tls import Tls
from balance_client.routing import queue_arguments
from tests.support.servers import forks

Process = subprocess.Popen[bytes] | forks.Fork
READY_S = 60
ANSWER_S = 60


def wait_until(what: str, condition: Callable[[], Any], timeout_s: float = READY_S) -> Any:
    """The condition's value once it is true. Fails the test when that takes too long."""
    deadline, pause = monotonic() + timeout_s, Event()
    while not (value := condition()):
        assert monotonic() < deadline, f"waited {timeout_s} s for {what}"
        pause.wait(0.05)
    return value


def replies(app: Celery, command: str, *, destination: list[str], timeout: float = 5, **arguments: Any) -> Any:
    """What the one worker answers; nothing when there was no answer."""
    options = {"arguments": arguments, "destination": destination, "reply": True, "timeout": timeout, "limit": 1}
    try:
        return app.control.broadcast(command, **options)  # type: ignore[arg-type]  # the stubs know too few of them
    except (OSError, RedisConnectionError):  # of the process's pool, and broken in another test: the next is a new one
        return []


class Sent:
    """A message that was published, and the way to its outcome."""

    def __init__(self, result: AsyncResult[Any], reader: Celery) -> None:
        self._result, self._reader = result, reader

    def get(self) -> Any:
        """The outcome document. Raises what the worker reported when the message was parked."""
        if not self._reader.conf.result_backend:
            return self._result.get(timeout=ANSWER_S)
        meta = wait_until(f"the outcome of {self._result.id}", self._ready, ANSWER_S)
        if meta["status"] != SUCCESS:
            raise meta["result"]
        return meta["result"]

    def _ready(self) -> Any:
        meta = self._reader.backend.get_task_meta(self._result.id)
        return meta if meta["status"] in READY_STATES else None


class System:
    """Processes of one test on one broker and one database."""

    def __init__(self, broker_url: str, database_url: str, engine: Engine, queue: str, logs: Path) -> None:
        self.broker_url, self.engine, self.queue, self.logs = broker_url, engine, queue, logs
        self._processes: list[Process] = []
        self.environment = {
            **os.environ,
            "BALANCE_BROKER_URL": broker_url,
            "BALANCE_DATABASE_URL": database_url,
            "BALANCE_QUEUE": queue,
            "BALANCE_IO_QUEUE": f"{queue}.io",
            "BALANCE_TOPUP_SCAN_EVERY_S": "0.5",
            "BALANCE_EXPIRE_EVERY_S": "0.5",
            "BALANCE_EXPIRY_GRACE_S": "0",
            "BALANCE_RETRY_CAP_S": "0.5",
            "BALANCE_CONNECT_TIMEOUT_S": "2",
            "BALANCE_RUN_DIR": str(logs / "run"),
        }
        # Results on Redis are read by an app of their own: a result object of the publishing app would subscribe, and
        # call its server once more when it is collected, long after the test.
        on_redis = not broker_url.startswith("amqp")
        url, options = kombu_url(broker_url), sentinel_options(broker_url, Tls())
        if not on_redis:  # without, RabbitMQ loses what it has not looked at when the connection is closed
            options["confirm_publish"] = True
        self.client = Celery(broker=url, backend=None if on_redis else "rpc://", set_as_current=False)
        self.client.conf.broker_transport_options = options
        self._reader = Celery(backend=url if on_redis else None, set_as_current=False)
        self._reader.conf.result_backend_transport_options = options
        arguments = queue_arguments(broker_url)
        self.client.conf.task_queues = [Queue(queue, Exchange(""), routing_key=queue, queue_arguments=arguments)]

    def money_worker(
        self, name: str = "money", *, queues: Sequence[str] = (), clock_s: str = "", **settings: str
    ) -> Process:
        """A money worker that answers pings. Without `queues` it serves the main one. `clock_s`: as for `beat`."""
        arguments = ["--pool=solo", f"--queues={','.join(queues or [self.queue])}"]
        return self._worker(name, arguments, settings, clock_s)

    def io_worker(self, name: str = "io", **settings: str) -> Process:
        return self._worker(name, ["--pool=threads", "--concurrency=2", f"--queues={self.queue}.io"], settings)

    def beat(self, name: str = "beat", *, clock_s: str = "", **settings: str) -> Process:
        """Beat; `clock_s`: by how much its clock is off, as tests/chaos/shifted.py takes it."""
        return self.celery(name, ["beat", f"--schedule={self.logs / 'schedule'}"], settings, clock_s)

    def start(self, name: str, arguments: list[str], settings: Mapping[str, str] | None = None) -> Process:
        """A Python process with this system's settings; its output goes to a log of its own."""
        with (self.logs / f"{name}.log").open("ab") as log:
            environment = {**self.environment, **(settings or {})}
            process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def celery(
        self, name: str, arguments: list[str], settings: Mapping[str, str] | None = None, clock_s: str = ""
    ) -> Process:
        """`celery -A worker.app …`, forked: starting the program takes seconds of processor time, and shows nothing."""
        if clock_s:
            return self.start(name, ["-m", "tests.chaos.shifted", clock_s, *arguments], settings)
        log = self.logs / f"{name}.log"
        process = forks.celery(arguments, environment={**self.environment, **(settings or {})}, log=log)
        self._processes.append(process)
        return process

    def command(
        self,
        name: str,
        words: list[str],
        settings: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> Process:
        """`balance-worker …`, forked like `celery`; `before` is called in the process first."""
        environment, log = {**self.environment, **(settings or {})}, self.logs / f"{name}.log"
        process = forks.command(words, before, environment=environment, log=log)
        self._processes.append(process)
        return process

    def send(self, job: str, **arguments: Any) -> Sent:
        """Publishes like any Celery client: nothing of ours is involved."""
        return Sent(self.client.send_task(job, kwargs=arguments, queue=self.queue), self._reader)

    def ask(self, job: str, **arguments: Any) -> Any:
        """Publishes and waits for the outcome document."""
        return self.send(job, **arguments).get()

    def rows(self, query: str, **parameters: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), parameters))

    def count(self, table: str, where: str = "true") -> int:
        return int(self.rows(f"select count(*) from {table} where {where}")[0][0])

    def end(self, name: str, process: Process, timeout_s: float = 30) -> int:
        """Its exit code once it has ended on SIGTERM. A test fails with what it was doing instead."""
        process.terminate()
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.send_signal(forks.STACKS)
            wait_until("its stacks", lambda: "most recent call first" in self.log(name))
            raise AssertionError(f"{name} goes on after {timeout_s} s: {self.log(name)[-5000:]}") from None

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text()

    def stop(self) -> None:
        """Ends what is still running; children that do not stop on SIGTERM are killed."""
        alive = [process for process in self._processes if process.poll() is None]
        for process in alive:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in alive:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.client.close()
        self._reader.close()

    def _worker(self, name: str, arguments: list[str], settings: Mapping[str, str], clock_s: str = "") -> Process:
        node = f"{name}@{self.queue}"
        arguments = ["worker", f"--hostname={node}", "--without-mingle", *arguments]
        process = self.celery(name, arguments, settings, clock_s)

        def answers() -> bool:
            assert process.poll() is None, self.log(name)[-2000:]
            return bool(replies(self.client, "ping", destination=[node], timeout=0.5))

        wait_until(f"{node} to answer", answers)
        return process


def flower_page(port: int, path: str) -> str:
    """The page; nothing while Flower starts."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=ANSWER_S) as answer:
            text: str = answer.read().decode()
            return text
    except URLError:
        return ""


def seed_response(seed: str) -> dict[str, Any]:
    """The first JSON object in a source document that is an answer: the one after the request's."""
    decoder, position, found = json.JSONDecoder(), 0, []
    while (start := seed.find("{\n", position)) >= 0:
        try:
            value, position = decoder.raw_decode(seed, start)
            found.append(value)
        except json.JSONDecodeError:
            position = start + 1
    return dict(found[1])
