"""Flower's door: nobody is let in without the login, and no page of a stranger under any name."""

from __future__ import annotations

import re
from base64 import b64encode
from http.client import HTTPConnection
from pathlib import Path
from uuid import UUID

import pytest
from flower.urls import handlers
from tornado.web import url
from tornado.websocket import WebSocketHandler

from tests.acceptance.system import System, wait_until
from worker.flower.pages.base import PageHandler
from worker.flower.pages.catalogue import routes
from worker.flower.pages.page import ID
from worker.local.ports import free_port

# Without the login, and why that is harmless.
OPEN = {
    "/healthcheck": "says OK, and nothing else",
    "/static/(.*)": "the same files for everybody, as they are installed",
    "/pages/static/(.*)": "the style sheet of our pages",
    "/login/?": "where a login begins",
    "/logout": "forgets a cookie",
    ".*": "says that nothing is there",
}
LOGIN = {"Authorization": f"Basic {b64encode(b'admin:pw').decode()}"}
HOSTS = {
    "127.0.0.1:{port}": True, "localhost:{port}": True, "LOCALHOST": True, "[::1]:{port}": True, "10.1.2.3": True,
    "flower.internal:5555": True, "FLOWER.internal": True,
    "evil.example": False, "evil.example:{port}": False, "127.0.0.1.evil.example": False,
    "localhost.evil.example": False, "internal": False, "a.flower.internal": False,
    "[evil": False, "": False, "127.1.evil": False,
}  # fmt: skip
ORIGINS: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    ({"Origin": "http://127.0.0.1:{port}"}, True),
    ({"Origin": "https://proxy.example", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Origin": "http://127.0.0.1:1"}, False),
    ({"Origin": "http://evil.example"}, False),
    ({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
    ({"Origin": "http://localhost:{port}", "Sec-Fetch-Site": "same-site"}, False),
    ({"Origin": "null"}, False),
]


@pytest.fixture
def port(system: System) -> int:
    """Where a Flower with a login listens."""
    port = free_port()
    given = {
        "FLOWER_BASIC_AUTH": "admin:pw",
        "FLOWER_UNAUTHENTICATED_API": "1",
        "BALANCE_FLOWER_HOSTS": "flower.internal",
    }
    system.start("flower", ["-m", "celery", "-A", "worker.app", "flower", f"--port={port}"], given)
    wait_until("Flower to answer", lambda: _status(port, "/healthcheck"))
    return port


def test_nobody_is_let_in_without_the_login_or_from_elsewhere(port: int, system: System) -> None:
    every = [*handlers, *routes()]
    patterns = {each.regex.pattern.rstrip("$") if isinstance(each, url) else each[0]: each for each in every}
    assert patterns.keys() >= OPEN.keys() | {"/metrics", "/", "/api/workers"}
    for pattern, each in patterns.items():
        handler = each.handler_class if isinstance(each, url) else each[1]
        assert not issubclass(handler, WebSocketHandler), "which would need a check of its own: browsers let them be"
        path = pattern.replace(ID, str(UUID(int=1))).replace("(flower-[0-9a-f]{32})", f"flower-{0:032}")
        path = re.sub(r"\(.[*+]\)", "x", path).replace("/?", "").replace(".*", "/nothing")
        ours = issubclass(handler, PageHandler)  # whatever is asked of it, the login comes first
        for method in ("GET", "POST"):
            if pattern not in OPEN and (ours or method.lower() in vars(handler)):
                assert _status(port, path, method=method) == 401, f"{method} {path}"
                wrong = {"Authorization": "Basic YTpi"}
                assert _status(port, path, wrong, method=method) == 401, f"{method} {path}"
    for path in ("/", "/jobs", "/metrics", "/api/task/types"):
        assert _status(port, path, LOGIN) == 200, path
    for path in ("/healthcheck", "/metrics", "/static/css/flower.css", "/nothing"):
        answers = {host: _status(port, path, {**LOGIN, "Host": host.format(port=port)}) for host in HOSTS}
        assert {host: status != 403 for host, status in answers.items()} == HOSTS, path
    for headers, allowed in ORIGINS:
        given = {name: value.format(port=port) for name, value in headers.items()}
        for method, path in (
            ("GET", "/api/task/types"),
            ("POST", "/api/task/abort/x"),
            ("POST", "/api/worker/shutdown/x"),
        ):
            assert (_status(port, path, {**LOGIN, **given}, method) != 403) == allowed, (method, path, given)
    assert " [I " not in f" {Path(system.logs / 'flower.log').read_text()}", "its log lines have our shape"


def _status(port: int, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> int:
    """The status that it answers with; 0 while it does not listen."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        return connection.getresponse().status
    except ConnectionRefusedError:
        return 0
    finally:
        connection.close()
