"""What the doctor makes of RabbitMQ's management API, and of what answers in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import httpx
import pytest

from worker.doctor.brokers import management
from worker.doctor.brokers.management import Management

ANSWERS: Final[dict[str, tuple[int, Any]]] = {
    "/api/vhosts/%2F": (200, {"name": "/"}),
    "/api/vhosts/gone": (404, {"error": "Object Not Found"}),
    "/api/queues/%2F/balance%2F1": (200, {"name": "balance/1"}),
    "/api/bindings/%2F/e/x/q/balance": (200, [{}]),
    "/api/bindings/%2F/e/y/q/balance": (200, []),
    "/api/nodes": (401, {"error": "not_authorised"}),
    "/api/vhosts/html": (200, "<html>"),
    "/api/queues/gone/q": (500, {}),
}


class _Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Basic YTpiQGM="  # a:b@c
        status, answer = ANSWERS.get(self.path, (404, {})) if known else (401, {})
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        monkeypatch.setattr(management, "_PORT", server.server_port)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield "127.0.0.1"
        server.shutdown()
        thread.join()


def test_it_is_asked_with_the_brokers_credentials(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    api = Management(f"amqp://a:b%40c@{host}:5672//", None)
    assert api.unreachable() == ""
    assert api.queue("balance/1") == {"name": "balance/1"}
    assert api.queue("none") is None
    assert (api.feeds("x", "balance"), api.feeds("y", "balance")) == (True, False)
    assert api.nodes() == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("amqp://a:wrong@{}//", "answers 401"),
        ("amqp://a:b%40c@{}/gone", "answers 404"),
        ("amqp://a:b%40c@{}/html", "/api: "),
        ("amqp://a:b%40c@127.0.0.2//", "/api: "),
    ],
)
def test_why_it_cannot_be_asked_is_said(host: str, url: str, said: str) -> None:
    assert said in Management(url.format(host), None).unreachable()


def test_what_the_api_itself_gets_wrong_is_no_missing_queue(host: str) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        Management(f"amqp://a:b%40c@{host}/gone", None).queue("q")
