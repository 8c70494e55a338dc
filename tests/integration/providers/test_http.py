"""The provider `http`: each answer of a payment service, and what becomes of it."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.auto_topup.provider import ChargeAnswer, ProviderStatus
from tests.integration.providers.asked import request
from tests.integration.providers.conftest import SERVICE, SHARED
from tests.support.servers.child import Child, running
from tests.support.servers.recording_proxy import HELD, LOST, RecordingProxy, Reply
from worker.outgoing.signature import key_of, signed
from worker.providers.http import HttpProvider

SUCCEEDED, PENDING, DECLINED = ProviderStatus.SUCCEEDED, ProviderStatus.PENDING, ProviderStatus.DECLINED
NEEDS_ACTION, UNKNOWN = ProviderStatus.NEEDS_ACTION, ProviderStatus.UNKNOWN
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def says(status: int, content: Any, **headers: str) -> Reply:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply(status, text, {name.replace("_", "-"): value for name, value in headers.items()})


def booked(url: str) -> dict[str, dict[str, Any]]:
    """What the service knows, by the charges' ids."""
    known = httpx.get(f"{url}/charges", trust_env=False, timeout=10).json()["charges"]
    return {charge["id"]: charge for charge in known}


@pytest.mark.parametrize(
    ("payer", "status", "code"),
    [
        ("somebody", SUCCEEDED, None),
        (None, SUCCEEDED, None),
        ("decline_insufficient_funds", DECLINED, "insufficient_funds"),
        ("decline", DECLINED, "card_declined"),
        ("pending_forever", PENDING, None),
    ],
)
def test_what_a_service_says(http: HttpProvider, payer: str | None, status: ProviderStatus, code: str | None) -> None:
    asked = request(payer)
    assert http.charge(asked) == ChargeAnswer(status, reference=f"ch_{asked.id}", code=code)


def test_a_payer_who_has_to_confirm_is_told_where_and_then_has_paid(
    http: HttpProvider, service: RecordingProxy
) -> None:
    asked = request("action_authentication_required")
    answer = http.charge(asked)
    assert (answer.status, answer.code) == (NEEDS_ACTION, "authentication_required")
    assert answer.link is not None
    assert booked(service.url)[str(asked.id)]["charged"] is False
    assert httpx.get(answer.link, trust_env=False, timeout=10).json() == {"confirmed": True}
    assert http.charge(asked).status is SUCCEEDED
    assert httpx.get(answer.link, trust_env=False, timeout=10).status_code == 404, "there is nothing left to confirm"


def test_what_is_pending_is_asked_again(http: HttpProvider) -> None:
    asked = request("pending")
    assert [http.charge(asked).status for _ in range(3)] == [PENDING, SUCCEEDED, SUCCEEDED]


ANSWERS: dict[str, tuple[Reply, ChargeAnswer]] = {
    "created": (says(201, {"status": "succeeded"}), ChargeAnswer(SUCCEEDED)),
    "more than we know": (
        says(200, {"status": "pending", "reference": "p-1", "eta": 3}), ChargeAnswer(PENDING, reference="p-1"),
    ),
    "declined with 200": (
        says(200, {"status": "declined", "code": "lost_card"}), ChargeAnswer(DECLINED, code="lost_card"),
    ),
    "declined without a word": (says(402, {"status": "declined"}), ChargeAnswer(DECLINED, code="declined")),
    "action without a link": (says(200, {"status": "needs_action"}), ChargeAnswer(NEEDS_ACTION)),
    "402 that succeeded": (says(402, {"status": "succeeded"}), ChargeAnswer(UNKNOWN, code="contradictory_answer")),
    "402 that says nothing": (says(402, b"no"), ChargeAnswer(UNKNOWN, code="unreadable_answer")),
    "no JSON": (says(200, b"<html>"), ChargeAnswer(UNKNOWN, code="unreadable_answer")),
    "nothing": (says(200, b""), ChargeAnswer(UNKNOWN, code="unreadable_answer")),
    "no object": (says(200, ["succeeded"]), ChargeAnswer(UNKNOWN, code="unreadable_answer")),
    "too deep": (says(200, b"[" * 60_000), ChargeAnswer(UNKNOWN, code="unreadable_answer")),
    "another status": (says(200, {"status": "paid"}), ChargeAnswer(UNKNOWN, code="unreadable_answer")),
    "another type": (
        says(200, {"status": "succeeded", "reference": 7}), ChargeAnswer(UNKNOWN, code="unreadable_answer"),
    ),
    "a NUL in it": (says(200, {"status": "declined", "code": "a\0"}), ChargeAnswer(UNKNOWN, code="unreadable_answer")),
    "half a character": (
        says(200, b'{"status":"declined","code":"\\ud800"}'), ChargeAnswer(UNKNOWN, code="unreadable_answer"),
    ),
    "a link to no page": (
        says(200, {"status": "needs_action", "link": "data://1"}), ChargeAnswer(UNKNOWN, code="unreadable_answer"),
    ),
    "compressed": (
        says(200, {"status": "succeeded"}, Content_Encoding="gzip"), ChargeAnswer(UNKNOWN, code="unreadable_answer"),
    ),
    "65 KB": (says(200, b" " * 65_537), ChargeAnswer(UNKNOWN, code="answer_too_large")),
    "no HTTP": (Reply(raw=b"SSH-2.0-OpenSSH\r\n"), ChargeAnswer(UNKNOWN, code="connection_lost")),
    "half an answer": (
        Reply(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"status":"succeeded"}'),
        ChargeAnswer(UNKNOWN, code="connection_lost"),
    ),
    "202": (says(202, {"status": "pending"}), ChargeAnswer(UNKNOWN, code="http_202")),
    "a redirect": (says(307, {}, Location="http://127.0.0.1:1/"), ChargeAnswer(UNKNOWN, code="http_307")),
    **{f"{status}": (says(status, {"status": "declined"}), ChargeAnswer(UNKNOWN, code=f"http_{status}"))
       for status in (400, 401, 403, 404, 409, 422, 500, 502, 504)},
    "429": (says(429, {}), ChargeAnswer(UNKNOWN, code="rate_limited")),
    "429 with seconds": (
        says(429, {}, Retry_After="7"), ChargeAnswer(UNKNOWN, code="rate_limited", retry_after_s=7.0),
    ),
    "429 with a date": (
        says(429, {}, Retry_After="Thu, 26 Nov 2026 12:00:09 GMT"),
        ChargeAnswer(UNKNOWN, code="rate_limited", retry_after_s=9.0),
    ),
    "429 with a date and the date of the answer": (
        says(429, {}, Retry_After="Thu, 26 Nov 2026 10:00:05 GMT", Date="Thu, 26 Nov 2026 10:00:00 GMT"),
        ChargeAnswer(UNKNOWN, code="rate_limited", retry_after_s=5.0),
    ),
    "429 with a date that is past": (
        says(429, {}, Retry_After="Thu, 26 Nov 2026 11:00:00 GMT"),
        ChargeAnswer(UNKNOWN, code="rate_limited", retry_after_s=0.0),
    ),
    "429 with a year": (
        says(429, {}, Retry_After="31536000"), ChargeAnswer(UNKNOWN, code="rate_limited", retry_after_s=86_400.0),
    ),
    "429 with nonsense": (says(429, {}, Retry_After="soon"), ChargeAnswer(UNKNOWN, code="rate_limited")),
    "503 with seconds": (
        says(503, {}, Retry_After="30"), ChargeAnswer(UNKNOWN, code="http_503", retry_after_s=30.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_made_of_an_answer(service: RecordingProxy, name: str) -> None:
    reply, expected = ANSWERS[name]
    with closing(HttpProvider(f"{service.url}/charges", SHARED, now=lambda: NOON)) as provider:
        service.spoil(reply)
        before = len(service.asked)
        assert provider.charge(request()) == expected
        assert len(service.asked) == before + 1, "asked once; whoever charges knows when to ask again"


def test_an_answer_that_was_lost_is_asked_for_again_and_nobody_pays_twice(
    http: HttpProvider, service: RecordingProxy
) -> None:
    asked = request()
    service.spoil(LOST)
    assert http.charge(asked) == ChargeAnswer(UNKNOWN, code="connection_lost")
    assert booked(service.url)[str(asked.id)]["charged"] is True
    assert http.charge(asked).status is SUCCEEDED
    assert booked(service.url)[str(asked.id)]["asked"] == 2
    first, second = [each for each in service.asked if each.headers.get("idempotency-key") == str(asked.id)]
    assert first.body == second.body


def test_the_same_key_for_another_charge_is_a_conflict(http: HttpProvider) -> None:
    asked = request()
    assert http.charge(asked).status is SUCCEEDED
    assert http.charge(request(id=asked.id, amount=1)) == ChargeAnswer(UNKNOWN, code="http_409")


def test_what_is_asked(service: RecordingProxy) -> None:
    asked = request("cus 1 é", payment_method="pm_1")
    with closing(HttpProvider(f"{service.url}/charges", SHARED, now=lambda: NOON)) as provider:
        service.spoil(says(200, {"status": "succeeded"}))
        provider.charge(asked)
    seen = service.asked[-1]
    assert (seen.method, seen.path) == ("POST", "/charges")
    assert json.loads(seen.body) == {
        "id": str(asked.id), "account": "wallet:w_1", "payer": "cus 1 é", "payment_method": "pm_1", "amount": 2000,
        "currency": "USD", "credits": "50", "policy_version": 3,
    }  # fmt: skip
    expected = {
        "content-type": "application/json",
        "idempotency-key": str(asked.id),
        **signed([key_of(SHARED)], str(asked.id), NOON, seen.body),
    }
    assert expected.items() <= seen.headers.items()


@pytest.mark.parametrize(
    ("secret", "shift"),
    [("another secret", timedelta()), (SHARED, timedelta(minutes=-6)), (SHARED, timedelta(minutes=6))],
)
def test_a_stranger_charges_nobody(service: RecordingProxy, secret: str, shift: timedelta) -> None:
    asked = request()
    url = f"{service.url}/charges"
    with closing(HttpProvider(url, secret, now=lambda: datetime.now(UTC) + shift)) as provider:
        assert provider.charge(asked) == ChargeAnswer(UNKNOWN, code="http_401")
    assert str(asked.id) not in booked(service.url)


def test_a_service_that_does_not_answer_in_time(service: RecordingProxy) -> None:
    asked = request()
    with closing(HttpProvider(f"{service.url}/charges", SHARED, timeout_s=0.5)) as provider:
        service.spoil(HELD)
        assert provider.charge(asked) == ChargeAnswer(UNKNOWN, code="timed_out")


def test_a_service_that_is_away(service: RecordingProxy, http: HttpProvider) -> None:
    asked = request()
    service.go_down()
    try:
        assert http.charge(asked) == ChargeAnswer(UNKNOWN, code="not_connected")
    finally:
        service.come_up()
    assert http.charge(asked).status is SUCCEEDED


def test_the_environment_sends_nothing_elsewhere(service: RecordingProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with closing(HttpProvider(f"{service.url}/charges", SHARED)) as provider:
        assert provider.charge(request()).status is SUCCEEDED


def test_troubles_of_the_example_and_what_its_journal_tells_after_a_kill(tmp_path: Path) -> None:
    journal = tmp_path / "charges.jsonl"
    words = [SERVICE, "--secret", SHARED, "--port", "0", "--journal", str(journal)]
    first, second = request(), request("decline")
    with running([*words, "--fail", "1", "--lose-answers", "1"], tmp_path / "first") as child:
        assert answers(child, first, first, second) == [(UNKNOWN, "http_503"), (UNKNOWN, "connection_lost"),
                                                        (DECLINED, "card_declined")]  # fmt: skip
    with journal.open("ab") as file:
        file.write(b'{"at": 17')  # killed while it wrote
    with running(words, tmp_path / "second") as child:
        assert answers(child, first, second) == [(SUCCEEDED, None), (DECLINED, "card_declined")]
        assert booked(child.url)[str(first.id)]["asked"] == 2
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [(line["id"] == str(first.id), line["charged_now"], line.get("turned_away")) for line in lines] == [
        (True, False, 503), (True, True, None), (False, False, None), (True, False, None), (False, False, None),
    ]  # fmt: skip


def answers(child: Child, *asked: Any) -> list[tuple[ProviderStatus, str | None]]:
    with closing(HttpProvider(f"{child.url}/charges", SHARED)) as provider:
        told = [provider.charge(each) for each in asked]
    return [(answer.status, answer.code) for answer in told]
