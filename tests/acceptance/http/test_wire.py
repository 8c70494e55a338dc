"""Requests byte by byte: what other clients' HTTP is like, and what a stranger's can be."""

from __future__ import annotations

import gzip
import socket
from itertools import product
from time import monotonic
from typing import Final
from urllib.parse import quote

import httpx

from tests.acceptance.http.running import RunningDoor
from tests.acceptance.system import System

_H2C: Final = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
_WEBSOCKET: Final = (
    "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
)


def _request(door: RunningDoor, key: str, body: str, extra: str, *, chunked: bool = False) -> tuple[bytes, bytes]:
    """Its head and its body."""
    framed = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n" if chunked else body
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    return (
        f"POST /users/1/balance HTTP/1.1\r\nHost: x\r\nX-API-Key: {door.key}\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {key}\r\n{extra}{length}\r\n\r\n"
    ).encode(), framed.encode()


def _until(link: socket.socket, answers: int) -> bytes:
    said = b""
    while said.count(b"HTTP/1.1 200") < answers:
        more = link.recv(65_536)
        assert more, said
        said += more
    return said


def test_a_request_that_would_rather_be_upgraded_counts_with_its_body(door: RunningDoor, system: System) -> None:
    door.ask("PUT", "/users/1", {}, "u")
    wanted = list[tuple[str, int]]()
    for extra, chunked in product((_H2C, _WEBSOCKET), (False, True)):
        keys = [f"{len(wanted)}-{number}" for number in (1, 2, 3)]
        head, body = _request(door, keys[0], '{"amount_kopeks": 5}', extra, chunked=chunked)
        whole = b"".join(_request(door, keys[1], '{"amount_kopeks": 7}', extra, chunked=chunked))
        plain = b"".join(_request(door, keys[2], '{"amount_kopeks": 9}', ""))
        with socket.create_connection(("127.0.0.1", door.port), timeout=30) as link:
            for number, parts in enumerate(([head[:40], head[40:], body[:7], body[7:]], [whole + plain]), 1):
                for part in parts:
                    link.sendall(part)
                _until(link, number)
        wanted += zip(keys, (5, 7, 9), strict=True)
    written = "select idempotency_key, amount from jobs j join entries e on e.job_id = j.id order by e.seq"
    assert [tuple(row) for row in system.rows(written)] == wanted


def test_headers_are_bounded_and_empty_lines_keep_no_connection(system: System) -> None:
    door = RunningDoor(system, BALANCE_HTTP_REQUEST_TIMEOUT_S="2")
    begun = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    whole = begun + b"X-A: " + b"a" * 30_000 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as link:
        link.sendall(whole * 3)  # each is bounded, not all that a connection carries
        said = _until(link, 3)
        while said.count(b'"alive"') < 3:
            said += link.recv(65_536)
        link.sendall(b"\r\n")
        began = monotonic()
        assert link.recv(1) == b""
        assert monotonic() - began < 30, "uvicorn keeps what is idle for longer than that"
    for endless in (b"X-A: " + b"a" * 40_000 + b"\r\n\r\n", b"X-A: b\r\n" * 5_000 + b"\r\n", b"a" * 40_000_000):
        assert b"431 Request Header Fields Too Large" in _said(door, begun + endless)
    assert b"400 Bad Request" in _said(door, b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert httpx.get(f"{door.url}/healthz").status_code == 200


def test_a_request_before_garbage_is_carried_out(door: RunningDoor, system: System) -> None:
    door.ask("PUT", "/users/1", {}, "u")
    head, body = _request(door, "k1", '{"amount_kopeks": 5}', "")
    _said(door, head + body + b"\x16\x03\x01 no HTTP\r\n\r\n")
    assert door.post("/users/1/balance", {"amount_kopeks": 5}, "k1").status_code == 200
    assert system.count("entries") == 1
    assert "Traceback" not in system.log("http")


def _said(door: RunningDoor, data: bytes) -> bytes:
    """All that is answered, though the other side stops reading."""
    said = b""
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as link:
        link.setblocking(False)
        left, deadline = memoryview(data), monotonic() + 30
        while monotonic() < deadline:
            try:
                left = left[link.send(left) :] if left else left
            except BlockingIOError:
                pass
            except ConnectionError:
                left = left[:0]
            try:
                if not (more := link.recv(65_536)):
                    return said
                said += more
            except BlockingIOError:
                pass
            except ConnectionError:
                return said
    raise AssertionError("nobody closed the connection")


def test_an_id_may_have_any_printable_character(door: RunningDoor, system: System) -> None:
    top_up = {"credits_to_add": 1, "transaction_reason": "FREE_CREDIT_GRANT"}
    ids = ("a/b", "a%2Fb", "a%b", "100%", "a?b#c", "a b", "ü/😀", "w/top-up", "%25", "/")
    for number, name in enumerate(ids):
        assert door.post("/v1/wallets", {"wallet_id": name}, f"o{number}").status_code == 200, name
        path = f"/v1/wallets/{quote(name, safe='')}"
        assert door.post(f"{path}/top-up", top_up | {"idempotency_key": f"{number}/{name}"}).status_code == 200, name
        assert (door.get(path).json()["id"], door.get(path).json()["credit_balance"]) == (name, "1")
        assert door.get(f"{path}/transactions").json()["pagination"]["total"] == 1
        assert door.get(f"/jobs/{quote(f'{number}/{name}', safe='')}").json()["status"] == "applied"
    assert system.rows("select count(*), sum(seq) from accounts where kind = 'wallet'") == [(len(ids), len(ids))]
    for path in ("/v1/wallets/%00", "/v1/wallets/%00/transactions", "/jobs/a%00b"):
        assert door.get(path).status_code == 404, path


def test_what_is_sent_packed_is_refused_by_what_it_is(door: RunningDoor) -> None:
    headers = {**door.headers, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = httpx.post(f"{door.url}/users/1/balance", content=gzip.compress(b'{"amount_kopeks":1}'), headers=headers)
    assert (answer.status_code, "Content-Encoding" in answer.json()["detail"]) == (415, True)
