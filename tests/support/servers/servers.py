"""What the fixtures need to know about servers: databases made and dropped, a RabbitMQ that answers or does not."""

import base64
import contextlib
import json
import os
import socket
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

import psycopg
from psycopg import sql

DEFAULT_RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:5672//"
FreshLedger = Callable[[], contextlib.AbstractContextManager[str]]
_MANAGEMENT_PORT = 15672
_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30  # bytes


@contextlib.contextmanager
def server_directory(what: str = "test", *, in_memory: bool = False) -> Iterator[Path]:
    """A directory for servers. Not pytest's own: that one is closed to the user PostgreSQL runs as under root.

    `in_memory`: not on a disk, where there is room for it: each test has a database of its own, which is then made in
    a ninth of the time.
    """
    from worker.local.servers.unprivileged import admit, unprivileged_identity

    where = _MEMORY if in_memory and _MEMORY.is_dir() and disk_usage(_MEMORY).free >= _ROOM else None
    with TemporaryDirectory(prefix=f"balance-{what}-", dir=where, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        with contextlib.suppress(LookupError):
            admit(directory, unprivileged_identity(directory))
        yield directory


def seen_by_others(directory: Path) -> list[str]:
    """What other users of the machine could read, write, list or pass; the group of PostgreSQL's user may pass."""
    found = []
    for each in (directory, *directory.rglob("*")):
        status = each.lstat()
        allowed = 0o710 if stat.S_ISDIR(status.st_mode) and os.geteuid() == 0 else 0o700
        if stat.S_IMODE(status.st_mode) & ~allowed:
            found.append(f"{each} {status.st_mode:o}")
    return found


def with_database(url: str, database: str) -> str:
    """The same server's URL with another database (or virtual host, quoted)."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def create_database(server_url: str, name: str, template: str | None = None) -> str:
    """Create a database and return its URL; `template` must have no sessions."""
    statement = sql.SQL("create database {}").format(sql.Identifier(name))
    if template is not None:
        statement += sql.SQL(" template {} strategy file_copy").format(sql.Identifier(template))
    _execute(server_url, statement)
    return with_database(server_url, name)


def drop_database(server_url: str, name: str) -> None:
    """Drop a database, ending the sessions that still use it."""
    _execute(server_url, sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@contextlib.contextmanager
def ledger(server_url: str, template: str) -> Iterator[str]:
    """The URL of a copy of the template while the block runs."""
    name = f"t_{uuid.uuid4().hex}"
    yield create_database(server_url, name, template)
    drop_database(server_url, name)


def _execute(server_url: str, statement: sql.Composed) -> None:
    with psycopg.connect(server_url.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(statement)


def configured_rabbitmq_url() -> str:
    """The RabbitMQ that tests may use."""
    return os.environ.get("BALANCE_TEST_RABBITMQ_URL", DEFAULT_RABBITMQ_URL)


def rabbitmq_answers(url: str) -> bool:
    """Whether something listens there."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5672), timeout=2):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def fresh_vhost(url: str) -> Iterator[str]:
    """A URL with a virtual host of its own while the block runs; the given URL when there is no management plugin."""
    name = f"t_{uuid.uuid4().hex}"
    user = quote(unquote(urlsplit(url).username or "guest"), safe="")
    try:
        _manage(url, "PUT", f"vhosts/{name}")
    except (URLError, TimeoutError):
        yield url
        return
    try:
        _manage(url, "PUT", f"permissions/{name}/{user}", {"configure": ".*", "write": ".*", "read": ".*"})
        yield with_database(url, name)
    finally:
        _manage(url, "DELETE", f"vhosts/{name}")


def _manage(url: str, method: str, path: str, body: dict[str, str] | None = None) -> None:
    parts = urlsplit(url)
    credentials = f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}"
    request = Request(
        f"http://{parts.hostname or '127.0.0.1'}:{_MANAGEMENT_PORT}/api/{path}",
        method=method,
        data=json.dumps(body or {}).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}",
        },
    )
    try:
        urlopen(request, timeout=5).close()
    except HTTPError as error:
        error.close()
        raise
