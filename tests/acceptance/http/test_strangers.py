"""What a stranger may try: slow and large requests, wrong ones, keys that change; and what operators see."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from threading import Thread
from time import monotonic

import httpx

from tests.acceptance.http.running import RunningDoor
from tests.acceptance.system import System, wait_until
from worker.local.ports import free_port
from worker.publishers.http_keys import hash_of, new_key

SECURITY = ("cache-control", "content-security-policy", "referrer-policy", "x-content-type-options", "x-frame-options")


def _until_closed(port: int, *parts: bytes) -> tuple[bytes, float]:
    """What comes back for these bytes until the other side closes, and after how many seconds."""
    began = monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        for part in parts:
            link.sendall(part)
        said = b""
        while more := link.recv(65_536):
            said += more
    return said, monotonic() - began


def test_who_is_slow_is_cut_off(system: System) -> None:
    door = RunningDoor(system, BALANCE_HTTP_REQUEST_TIMEOUT_S="1", BALANCE_HTTP_CONNECTIONS="60")
    head = f"POST /users/1/balance HTTP/1.1\r\nHost: x\r\nX-API-Key: {door.key}\r\nContent-Type: application/json\r\n"
    for parts in ([], [b"POST /us"], [head.encode()], [f"{head}Content-Length: 90\r\n\r\n".encode(), b'{"amou']):
        said, seconds = _until_closed(door.port, *parts)
        assert (said, seconds < 10) == (b"", True), parts
    idle = [socket.create_connection(("127.0.0.1", door.port)) for _ in range(100)]
    try:
        wait_until("the others to be served again", lambda: door.get("/healthz").status_code == 200, 20)
    finally:
        for link in idle:
            link.close()


def test_a_body_is_bounded_whatever_it_says_of_itself(door: RunningDoor, system: System) -> None:
    large = b'{"amount_kopeks": 1, "description": "' + b"x" * 70_000 + b'"}'
    headers = {**door.headers, "Content-Type": "application/json"}
    told = httpx.post(f"{door.url}/users/1/balance", content=large, headers=headers)
    untold = httpx.post(f"{door.url}/users/1/balance", content=iter([large[:40_000], large[40_000:]]), headers=headers)
    assert (told.status_code, untold.status_code) == (413, 413)
    said, _ = _until_closed(door.port, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000)
    assert said.startswith(b"HTTP/1.1 431 ")
    assert system.count("jobs") == 0


# content, its type, the status
NO_REQUESTS = [
    (b"", "application/json", 422),
    (b"{}", "text/plain", 415),
    (b"{}", "application/x-www-form-urlencoded", 415),
    (b"{", "application/json", 422),
    (b"[]", "application/json; charset=utf-8", 422),
    (b'"a"', "application/json", 422),
    (b"\xff\xfe{}", "application/json", 422),
    (b'{"amount_kopeks": NaN}', "application/json", 422),
    (b'{"amount_kopeks": 1e999999999}', "application/json", 422),
    (b'{"amount_kopeks": ' + b"9" * 5000 + b"}", "application/json", 422),
    (b'{"amount_kopeks": 1.0}', "application/json", 200),
    (b'{"amount_kopeks": 1, "amount_kopeks": 2}', "application/json", 422),
    (b'{"metadata":' * 900 + b"1" + b"}" * 900, "application/json", 422),
    (b"[" * 60_000, "application/json", 422),
    (b'{"amount_kopeks": 1, "description": "\\u0000"}', "application/json", 422),
    (b'{"amount_kopeks": 1, "producer": "another"}', "application/json", 422),
    (b'{"amount_kopeks": 1, "user_id": 2}', "application/json", 422),
    (b'{"amount_kopeks": 1, "telegram_id": 2}', "application/json", 422),
]


def test_what_is_no_request_gets_a_sentence(door: RunningDoor) -> None:
    door.ask("PUT", "/users/1", {}, "u")
    for content, kind, status in NO_REQUESTS:
        headers = {**door.headers, "Content-Type": kind}
        answer = httpx.post(f"{door.url}/users/1/balance", content=content, headers=headers, timeout=30)
        assert answer.status_code == status, (content[:100], answer.text)
        assert set(answer.json()) == {"detail"} or status == 200, content[:100]


def test_each_answer_has_the_headers_of_care(door: RunningDoor) -> None:
    for answer in (door.get("/users/1"), door.get("/nowhere"), door.ask("DELETE", "/users/1"), door.get("/docs"),
                   httpx.get(f"{door.url}/users/1"), door.get("/metrics")):  # fmt: skip
        assert all(name in answer.headers for name in SECURITY), answer.url
        assert "server" not in answer.headers
    page = door.get("/docs").text
    assert "http://" not in page.replace(door.url, "")
    assert "https://" not in page
    assert "<script" not in page
    assert door.ask("DELETE", "/users/1").headers["allow"] == "GET, HEAD, PUT"


def test_a_key_file_may_change_while_the_door_is_open(system: System, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    old, new = (new_key("shop") for _ in range(2))

    def write(*hashes: str) -> None:
        other = file.with_suffix(".new")
        other.write_text(json.dumps({"shop": {"hashes": list(hashes), "producer": "shop"}}))
        os.replace(other, file)

    def status(key: str) -> int:
        return httpx.get(f"{door.url}/users/1", headers={"Authorization": f"Bearer {key}"}).status_code

    write(old[1])
    door = RunningDoor(system, BALANCE_HTTP_KEYS=str(file))
    assert (status(old[0]), status(new[0])) == (404, 401)
    write(old[1], new[1])
    wait_until("the new key to be taken", lambda: status(new[0]) == 404, 10)
    assert status(old[0]) == 404, "both while one takes the other's place"
    file.write_text("{")
    wait_until("the slip to be said", lambda: status(new[0]) == 404 and "http.keys_unusable" in system.log("http"), 10)
    assert status(new[0]) == 404, "nobody is locked out by it"
    write(new[1])
    wait_until("the old key to be gone", lambda: status(old[0]) == 401, 10)


def test_no_secret_is_in_the_log_and_the_metrics_are_bounded(door: RunningDoor, system: System) -> None:
    stranger = "bwk_all_" + "S" * 43
    for number in range(50):
        httpx.get(f"{door.url}/users/{number}", headers={"X-API-Key": stranger})
        httpx.get(f"{door.url}/nowhere/{number}", headers={"X-API-Key": door.key})
    door.post("/users/1/balance", {"amount_kopeks": 1})
    secret = door.key.split("_", 2)[2]
    assert secret not in system.log("http")
    assert stranger not in system.log("http")
    samples = door.get("/metrics").text
    assert 'balance_http_requests_total{route="/users/{user_id}",status="401"} 50.0' in samples
    assert 'balance_http_jobs_total{code="user_not_found",job="users.update_balance",replayed="false"} 1.0' in samples
    assert samples.count("balance_http_requests_total{") < 20


def test_requests_that_wait_are_answered_before_the_door_closes(door: RunningDoor, system: System) -> None:
    door.ask("PUT", "/users/1", {}, "u")
    answers: list[httpx.Response] = []
    asked, patient = ({"amount_kopeks": 5}, "k"), {"Prefer": "wait=60"}
    with system.engine.connect() as holder:
        holder.exec_driver_sql("select 1 from accounts for update")
        waiting = Thread(target=lambda: answers.append(door.post("/users/1/balance", *asked, headers=patient)))
        waiting.start()
        locked = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        wait_until("the worker to have it", lambda: system.rows(locked))
        door.process.terminate()
        wait_until("the door to be closed to others", lambda: not _open(door))
    waiting.join(30)
    assert [answer.status_code for answer in answers] == [200]
    assert door.process.wait(30) == 0, system.log("http")


def _open(door: RunningDoor) -> bool:
    try:
        return httpx.get(f"{door.url}/healthz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def test_readiness_tells_what_is_away(system: System) -> None:
    door = RunningDoor(system)
    assert door.get("/readyz").json() == {"status": "ready", "troubles": {}}
    unready = RunningDoor(system, BALANCE_DATABASE_URL="postgresql+psycopg://127.0.0.1:1/nowhere")
    answer = unready.get("/readyz")
    assert (answer.status_code, set(answer.json()["troubles"])) == (503, {"database"})
    assert unready.get("/users/1").status_code == 503
    assert unready.get("/healthz").status_code == 200


def test_a_wrong_setting_is_one_sentence(system: System) -> None:
    for settings, said in (
        ({"BALANCE_HTTP_KEYS": "{"}, "BALANCE_HTTP_KEYS"),
        ({"BALANCE_HTTP_KEYS": "/nowhere.json"}, "BALANCE_HTTP_KEYS"),
        ({"BALANCE_HTTP_PORT": str(free_port())}, "balance-worker http-key makes a key"),
        ({"BALANCE_HTTP_PORT": "0"}, "BALANCE_HTTP_PORT"),
    ):
        process = system.command("wrong", ["http"], settings)
        assert process.wait(30) == 2
        assert said in system.log("wrong")
        assert "Traceback" not in system.log("wrong")


def test_a_hash_is_that_of_the_secret() -> None:
    key, digest = new_key("a-1")
    assert key.startswith("bwk_a-1_")
    assert hash_of(key.split("_", 2)[2]) == digest
    assert digest.startswith("sha256:")
