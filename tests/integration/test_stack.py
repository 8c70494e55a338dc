"""The stack, with a small application of the tests' own in place of the product's."""

import os
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import psycopg
import pytest
import redis
from celery.utils.nodenames import host_format
from sqlalchemy import create_engine

from models.store.server.server import Server, examine
from tests.support.servers import servers
from tests.support.servers.listener import Listener
from worker.local import children, web_ports
from worker.local.children import Children
from worker.local.ports import free_port
from worker.local.probes import answers, serves
from worker.local.server_error import ServerError
from worker.local.stack import Stack
from worker.local.supervisor import NotReady
from worker.local.web_ports import FLOWER
from worker.settings.settings import Settings

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
        monkeypatch.setattr(children, "_APP", "small_app")
        yield path


def _environment(stack: Stack) -> dict[str, str]:
    """Of the processes that it starts."""
    [money, *_] = [
        child
        for child in Children(stack.data_dir, lambda: stack.settings, lambda _port: False).all()
        if child.name == "money"
    ]
    assert money.env is not None
    return dict(money.env)


def _settings(**given: object) -> Settings:
    return Settings.model_validate({"flower_port": free_port(), "http_port": free_port(), **given})


def _command_line(pid: int | None) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_everything_starts_serves_survives_a_kill_and_stops(directory: Path) -> None:
    heard = Listener(_PATIENCE_S)
    stack = Stack(_settings(), directory, heard)
    try:
        stack.start(_PATIENCE_S)
        ready = heard.names("ready")
        assert ready[:3] == ["postgres", "valkey", "migrations"]
        assert sorted(ready[3:]) == ["beat", "flower", "http", "io", "money"]

        with psycopg.connect(stack.settings.database_url.replace("+psycopg", "")) as connection:
            assert connection.execute("select count(*) from alembic_version").fetchone() == (1,)
        server = examine(create_engine(stack.settings.database_url))
        assert isinstance(server, Server)
        assert (server.missing, server.beyond) == ([], [])
        assert "BALANCE_OWNER_URL" not in _environment(stack), "the workers do not know it"
        with redis.Redis.from_url(stack.settings.broker_url) as client:
            assert client.ping()
        assert stack.flower_url is not None
        with urlopen(f"{stack.flower_url}/healthcheck") as response:
            assert response.status == 200

        assert stack.supervisor is not None
        assert stack.postgres is not None
        assert stack.valkey is not None
        pids = {name: stack.supervisor.pid(name) for name in ("flower", "money", "io", "beat")}
        assert pids["io"] is not None
        node = host_format("money@%h")
        assert not answers(pids["io"], stack.settings, node), "another worker of that name"
        assert not serves(pids["io"], "127.0.0.1", stack.settings.flower_port)
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
    assert heard.names("stopped") == ["http", "beat", "io", "money", "flower", "valkey", "postgres"]
    assert heard.names("killed") == []
    stack.stop()


def test_a_start_that_fails_leaves_nothing_running(directory: Path) -> None:
    (directory / "small_app.py").write_text("raise SystemExit('no application')")
    heard = Listener(_PATIENCE_S)
    stack = Stack(_settings(), directory, heard)
    with pytest.raises(NotReady, match=r"ended with code 1 before it was ready \(log: \S+: no application\)"):
        stack.start(_PATIENCE_S)
    assert stack.supervisor is None
    assert stack.postgres is not None
    assert stack.postgres.pid is None


class _Foreign(BaseHTTPRequestHandler):
    """Another system's Flower."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def foreign_flower() -> Iterator[int]:
    """The port of one that answers."""
    with HTTPServer(("127.0.0.1", 0), _Foreign) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_flower_moves_when_its_usual_port_is_taken_and_says_so_when_it_was_given(
    directory: Path, foreign_flower: int
) -> None:
    given = {"broker_url": "redis://127.0.0.1:1/0", "database_url": "postgresql://127.0.0.1:1/d"}
    told = Stack(_settings(**given, flower_port=foreign_flower), directory)
    with pytest.raises(ServerError, match=f"Flower cannot listen on 127.0.0.1 port {foreign_flower}: address already"):
        told.start()
    usual = Settings.model_validate({**given, "flower_port": foreign_flower})
    usual.model_fields_set.discard("flower_port")
    assert FLOWER.chosen(usual, may_move=FLOWER.may_move(usual)).flower_port != foreign_flower


def test_the_flower_of_another_system_is_not_ours(
    directory: Path, foreign_flower: int, redis_url: str, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_ports, "refusal", lambda *_: None)  # it has come after we looked
    given = {"broker_url": redis_url, "database_url": empty_database_url}
    with Stack(_settings(**given, flower_port=foreign_flower), directory) as stack:
        said = r"^flower ended with code 1 before it was ready \(log: \S+: .*[Aa]ddress already in use"
        with pytest.raises(NotReady, match=said):
            stack.start(_PATIENCE_S)


def test_servers_that_were_given_are_used_and_flower_moves_on_when_its_port_was_taken_at_the_last_moment(
    directory: Path, foreign_flower: int, redis_url: str, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_ports, "refusal", lambda *_: None)  # it has come after we looked
    usual = _settings(broker_url=redis_url, database_url=empty_database_url, flower_port=foreign_flower)
    usual.model_fields_set.discard("flower_port")
    heard = Listener(_PATIENCE_S)
    with Stack(usual, directory, heard) as stack:
        assert stack.postgres is None
        assert stack.valkey is None
        stack.start(_PATIENCE_S)
        assert not {"postgres", "valkey"} & {*heard.names("ready")}
        assert not (directory / "postgres").exists()
        assert stack.settings.broker_url == redis_url
        assert stack.settings.flower_port != foreign_flower
        assert stack.flower_url is not None
        with urlopen(f"{stack.flower_url}/healthcheck") as response:
            assert response.status == 200
        assert [event.detail for event in heard.said("ready") if event.name == "flower"] == [
            f"shows it: {stack.flower_url}"
        ]


def test_flower_without_a_password_can_stop_nobody(directory: Path) -> None:
    given = {"broker_url": "redis://127.0.0.1/0", "database_url": "postgresql://h/d"}
    open_to_all = _environment(Stack(_settings(**given), directory))
    assert open_to_all["FLOWER_READ_ONLY"] == "true"
    guarded = _environment(Stack(_settings(**given, flower_basic_auth="admin:pw"), directory))
    assert guarded["FLOWER_BASIC_AUTH"] == "admin:pw"
    assert "FLOWER_READ_ONLY" not in guarded
