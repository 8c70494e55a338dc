"""`balance-worker up` and `balance-worker demo`, as a newcomer runs them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from celery.states import READY_STATES
from sqlalchemy import create_engine, text

from tests.acceptance.system import ANSWER_S, wait_until
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.command import run
from tests.support.servers import servers
from worker.demo.door import YOURSELF
from worker.demo.webhook_receiver import WebhookReceiver, webhook_receiver

_CLI = [sys.executable, "-m", "worker.cli.main"]
_BARE = {name: value for name, value in os.environ.items() if not name.startswith("BALANCE_")}
_ALLOWED = {**_BARE, "BALANCE_WEBHOOK_ALLOW_PRIVATE": "true"}


@pytest.fixture
def data_dir() -> Any:
    with servers.server_directory() as directory:
        yield directory / "data"


def test_up_serves_a_plain_client_restarts_children_and_keeps_its_data_beside_a_demo(data_dir: Path) -> None:
    with webhook_receiver() as receiver:
        _serves(data_dir, receiver)


def _serves(data_dir: Path, receiver: WebhookReceiver) -> None:
    first = _up(data_dir, receiver.url)
    receiver.secret = first.ready["webhook_secret"]
    try:
        assert {*first.ready["metrics_urls"]} == {"money", "io", "beat", "http"}
        for name, url in first.ready["metrics_urls"].items():
            for path in ("metrics", "healthz", "readyz"):
                assert httpx.get(f"{url}/{path}").is_success, f"{name}: {path}"
        assert first.ready["sample_wallet"] == "wallet:w_1"
        assert _top_up(first.ready["broker_url"])["replayed"] is False
        assert _top_up(first.ready["broker_url"])["replayed"] is True
        worker = first.pid_of("money")
        os.kill(worker, signal.SIGKILL)
        wait_until("the worker's restart", lambda: first.pid_of("money") not in (None, worker) and first.is_up("money"))
        assert _top_up(first.ready["broker_url"])["replayed"] is True
        assert servers.seen_by_others(data_dir) == [], "jobs and signatures, the ledger, and logs"
        wait_until("the webhooks", lambda: _told(receiver) == [("wallet:w", 0), ("wallet:w", 1), ("wallet:w_1", 0)])
        assert receiver.refused == 0
        _commands(first, data_dir, receiver)
        _over_http(first, data_dir)
    finally:
        assert first.stop(signal.SIGTERM) == 0, first.output()
    _demo(data_dir)
    second = _up(data_dir, receiver.url)
    try:
        assert second.ready["webhook_secret"] == first.ready["webhook_secret"]
        assert second.ready["database_url"] == first.ready["database_url"]
        assert _top_up(second.ready["broker_url"])["replayed"] is True
        engine = create_engine(second.ready["database_url"])
        with engine.connect() as connection:
            ours = "select count(*) from entries join accounts on accounts.id = account_id where ref = 'w'"
            assert connection.execute(text(ours)).scalar() == 1
        assert_ledger_is_coherent(engine)
        engine.dispose()
    finally:
        assert second.stop(signal.SIGINT) == 0, second.output()


def _told(receiver: WebhookReceiver) -> list[tuple[str, int]]:
    """The events, by account: of two accounts, either may come first."""
    return sorted((event["account"], event["seq"]) for event in receiver.events.values())


def _commands(running: _Up, data_dir: Path, receiver: WebhookReceiver) -> None:
    """A secret is shown when it is made, and by no other command."""
    key = (data_dir / "webhook-key").read_text()
    given = {**_ALLOWED, "BALANCE_WEBHOOK_KEY": key, "BALANCE_LOG_LEVEL": "error"}
    given |= {f"BALANCE_{name.upper()}": running.ready[name] for name in ("broker_url", "database_url")}

    def cli(*arguments: str) -> Any:
        done = run("webhooks", *arguments, "--json", environment=given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    added = cli("add", receiver.url, "--name", "another", "--kind", "app", "--key", "hook")
    assert added["secret"].startswith("whsec_")
    assert added["secret"] != receiver.secret
    assert "secret" not in cli("add", receiver.url, "--name", "another", "--kind", "app", "--key", "hook"), "a replay"
    rotated = cli("rotate-secret", added["response"]["id"])
    assert rotated["response"]["secret_version"] == 2
    assert rotated["secret"] not in (added["secret"], receiver.secret)
    both = [receiver.secret, rotated["secret"]]
    for receiver.secret in (added["secret"], rotated["secret"]):  # either, while both are good
        assert cli("test", added["response"]["id"])["fate"] == "delivered"
    receiver.secret = both[0]
    assert len(cli("list")["endpoints"]) == 2
    assert cli("remove", added["response"]["id"], "--yes")["response"]["status"] == "removed"


def _over_http(running: _Up, data_dir: Path) -> None:
    """With the key that is told, for all three APIs; and as the demo tells its reader to."""
    headers = {"Authorization": f"Bearer {running.ready['http_api_key']}"}
    with httpx.Client(base_url=running.ready["http_url"], headers=headers, timeout=30) as client:
        assert client.post("/apps/balance", json={"balance": 2399}).status_code == 201
        assert client.put("/users/1", json={}).status_code == 200
        assert client.post("/users/1/balance", json={"amount_kopeks": 5}).json()["balance_kopeks"] == 5
    if shutil.which("curl") is not None:
        command = YOURSELF.split("here\n")[1].replace("http://127.0.0.1:8080", running.ready["http_url"])
        command = command.replace(".balance-worker/http-key", str(data_dir / "http-key"))
        said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True).stdout
        assert json.loads(said)["id"] == "mine"


def _demo(data_dir: Path) -> None:
    """It ends well, and counts what is its own, in a ledger that has been used."""
    done = subprocess.run(
        [*_CLI, "demo", "--data-dir", str(data_dir)], env=_BARE, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    last = done.stdout.strip().splitlines()[-1]
    assert YOURSELF.strip() in done.stdout
    assert last.startswith("demo: ok (30 messages: 20 applied, 3 replayed, 6 refused, 1 parked; 16 entries")
    assert servers.seen_by_others(data_dir) == []


def _events(line: str) -> Iterator[dict[str, Any]]:
    """The objects of one line: two, when two processes wrote at the same moment."""
    decoder, position = json.JSONDecoder(), 0
    while position < len(line):
        event, position = decoder.raw_decode(line, position)
        yield event


class _Up:
    """A running `up --json`, read line by line."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self._process, self._output = process, output
        self.ready: dict[str, Any] = wait_until("ready", self._find_ready, timeout_s=90)

    def output(self) -> str:
        return self._output.read_text()

    def lines(self) -> list[dict[str, Any]]:
        return [event for line in self.output().splitlines() if line.endswith("}") for event in _events(line)]

    def pid_of(self, name: str) -> int:
        return int([line["pid"] for line in self.lines() if line.get("name") == name and line["pid"]][-1])

    def is_up(self, name: str) -> bool:
        return bool([line["state"] for line in self.lines() if line.get("name") == name][-1] == "ready")

    def stop(self, how: signal.Signals) -> int:
        self._process.send_signal(how)
        return self._process.wait(90)

    def _find_ready(self) -> dict[str, Any] | None:
        assert self._process.poll() is None, self.output()
        return next((line for line in self.lines() if line["event"] == "ready"), None)


def _up(data_dir: Path, webhook: str) -> _Up:
    output = data_dir.parent / "up.out"
    with output.open("w") as out:
        process = subprocess.Popen(
            [*_CLI, "up", "--data-dir", str(data_dir), "--webhook", webhook, "--json"],
            env=_ALLOWED, stdout=out, stderr=out, text=True,
        )  # fmt: skip
    return _Up(process, output)


def _top_up(broker_url: str) -> Any:
    opened = _ask(broker_url, "wallets.create", {"idempotency_key": "open", "wallet_id": "w"})
    assert opened["code"] == "applied"
    credit = {"wallet_id": "w", "credits_to_add": 5, "transaction_reason": "FREE_CREDIT_GRANT"}
    return _ask(broker_url, "wallets.top_up", {"idempotency_key": "k", **credit})


def _ask(broker_url: str, job: str, arguments: dict[str, Any]) -> Any:
    # Two apps: a result object of one that has both would call its backend once more when it is collected, and the
    # server has been stopped by then.
    with Celery(broker=broker_url, set_as_current=False) as publisher:
        task_id = publisher.send_task(job, kwargs=arguments, queue="balance").id
    with Celery(backend=broker_url, set_as_current=False) as reader:

        def answered() -> Any:
            meta = reader.backend.get_task_meta(task_id)
            return meta if meta["status"] in READY_STATES else None

        return wait_until(f"the answer to {job}", answered, ANSWER_S)["result"]
