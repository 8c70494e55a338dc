"""The stack, with a small application of the tests' own in place of the product's."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
import redis

from tests import servers
from tests.listener import Listener
from worker import stack as stack_module
from worker.localserver import free_port
from worker.settings import Settings
from worker.stack import Stack

_APP = """
import os
from celery import Celery
app = Celery("small", broker=os.environ["BALANCE_BROKER_URL"])
app.conf.beat_schedule = {"tick": {"task": "tick", "schedule": 3600.0}}

@app.task(name="tick")
def tick(): pass
"""
_PATIENCE_S = 60


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with servers.server_directory() as path:
        (path / "small_app.py").write_text(_APP)
        monkeypatch.setattr(stack_module, "_APP", "small_app")
        yield path


def _settings(**given: object) -> Settings:
    return Settings.model_validate({"flower_port": free_port(), **given})


def _command_line(pid: int | None) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_everything_starts_serves_survives_a_kill_and_stops(directory: Path) -> None:
    heard = Listener(_PATIENCE_S)
    stack = Stack(_settings(), directory, heard)
    try:
        stack.start(_PATIENCE_S)
        ready = heard.names("ready")
        assert ready[:3] == ["postgres", "valkey", "migrations"]
        assert sorted(ready[3:]) == ["beat", "flower", "io", "money"]

        with psycopg.connect(stack.settings.database_url.replace("+psycopg", "")) as connection:
            assert connection.execute("select count(*) from alembic_version").fetchone() == (1,)
        with redis.Redis.from_url(stack.settings.broker_url) as client:
            assert client.ping()
        assert stack.flower_url is not None
        with urlopen(f"{stack.flower_url}/healthcheck") as response:
            assert response.status == 200

        assert stack.supervisor is not None
        assert stack.postgres is not None
        assert stack.valkey is not None
        pids = {name: stack.supervisor.pid(name) for name in ("flower", "money", "io", "beat")}
        for password in (stack.postgres.password, stack.valkey.password):
            assert not any(password.encode() in _command_line(pid) for pid in pids.values())
            assert password not in repr(heard.events)

        # One worker and one server are killed; both come back, the server at its old address.
        address = stack.valkey.url
        for pid in (pids["money"], stack.valkey.pid):
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        heard.wait_for("ready", "valkey", 2)
        heard.wait_for("ready", "money", 2)
        assert stack.valkey.url == address
    finally:
        stack.stop()
    assert heard.names("stopped") == ["beat", "io", "money", "flower", "valkey", "postgres"]
    assert heard.names("killed") == []
    stack.stop()


def test_servers_that_were_given_are_used_and_no_others_started(
    directory: Path, empty_database_url: str, redis_url: str
) -> None:
    heard = Listener(_PATIENCE_S)
    with Stack(_settings(broker_url=redis_url, database_url=empty_database_url), directory, heard) as stack:
        assert stack.postgres is None
        assert stack.valkey is None
        stack.start(_PATIENCE_S)
        assert "postgres" not in heard.names("ready")
        assert not (directory / "postgres").exists()
        assert stack.settings.broker_url == redis_url


def test_a_start_that_fails_leaves_nothing_running(directory: Path) -> None:
    (directory / "small_app.py").write_text("raise SystemExit('no application')")
    heard = Listener(_PATIENCE_S)
    stack = Stack(_settings(), directory, heard)
    with pytest.raises(RuntimeError, match=r"not ready after 2 s: flower \(log: .*money"):
        stack.start(2)
    assert stack.supervisor is None
    assert stack.postgres is not None
    assert stack.postgres.pid is None


def test_flower_moves_when_its_usual_port_is_taken_and_stays_when_told(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "is_free", lambda port: False)
    url = "redis://127.0.0.1/0"
    told = Stack(Settings(broker_url=url, database_url="postgresql://h/d", flower_port=5999), directory)
    told._start_servers()
    assert told.settings.flower_port == 5999
    free = Stack(Settings(broker_url=url, database_url="postgresql://h/d"), directory)
    free._start_servers()
    assert free.settings.flower_port != 5555


def test_flower_without_a_password_can_stop_nobody(directory: Path) -> None:
    given = {"broker_url": "redis://127.0.0.1/0", "database_url": "postgresql://h/d"}
    open_to_all = Stack(_settings(**given), directory)._environment()
    assert open_to_all["FLOWER_READ_ONLY"] == "true"
    guarded = Stack(_settings(**given, flower_basic_auth="admin:pw"), directory)._environment()
    assert guarded["FLOWER_BASIC_AUTH"] == "admin:pw"
    assert "FLOWER_READ_ONLY" not in guarded
