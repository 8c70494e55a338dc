"""What an endpoint answers, and what becomes of the event."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest

from tasks.events.sender import Fate, Receipt
from tests.integration.webhooks.events import BODY, event, sender, sent
from tests.support.servers.receiver import Receiver
from tests.support.servers.recording_proxy import LOST, Reply
from worker.settings.settings import Settings
from worker.webhooks.registry import sender_of

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
DELIVERED, FAILED, GONE = Fate.DELIVERED, Fate.FAILED, Fate.GONE


def says(status: int, body: bytes = b"", **headers: str) -> Reply:
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


ANSWERS: dict[str, tuple[Reply, Receipt]] = {
    "taken": (says(200, b"thanks"), Receipt(DELIVERED, "http_200", 200, "thanks")),
    "taken silently": (says(204), Receipt(DELIVERED, "http_204", 204)),
    "taken for later": (says(202), Receipt(DELIVERED, "http_202", 202)),
    "the last of the good": (says(299), Receipt(DELIVERED, "http_299", 299)),
    "gone": (says(410, b"gone"), Receipt(GONE, "http_410", 410, "gone")),
    "gone for a while": (says(410, Retry_After="9"), Receipt(GONE, "http_410", 410)),
    **{
        f"redirect {status}": (
            says(status, Location="http://127.0.0.1:1/"), Receipt(FAILED, "redirect_refused", status),
        )
        for status in (300, 301, 302, 303, 304, 307, 308)
    },
    **{
        f"failed {status}": (says(status, b"no"), Receipt(FAILED, f"http_{status}", status, "no"))
        for status in (400, 401, 404, 409, 429, 500, 502, 503, 599, 799)
    },
    "with seconds": (says(429, Retry_After="7"), Receipt(FAILED, "http_429", 429, None, 7.0)),
    "with a date": (
        says(503, Retry_After="Thu, 26 Nov 2026 12:00:09 GMT"), Receipt(FAILED, "http_503", 503, None, 9.0),
    ),
    "with a year": (says(503, Retry_After="31536000"), Receipt(FAILED, "http_503", 503, None, 86_400.0)),
    "with nonsense": (says(503, Retry_After="soon"), Receipt(FAILED, "http_503", 503)),
    "seconds with another failure": (says(500, Retry_After="7"), Receipt(FAILED, "http_500", 500, None, 7.0)),
    "seconds with a success": (says(200, Retry_After="7"), Receipt(DELIVERED, "http_200", 200)),
    "what moves the cursor": (
        says(500, b"\x1b[2J\x00\r\nno\xff \xe2\x80\xae"),
        Receipt(FAILED, "http_500", 500, "\\u001b[2J\\u0000\\r\\nno\ufffd \\u202e"),
    ),
    "as much as is shown": (says(500, b"a" * 500), Receipt(FAILED, "http_500", 500, "a" * 500)),
    "more than is shown": (says(500, b"a" * 501), Receipt(FAILED, "http_500", 500, "a" * 499 + "…")),
    "more when it is shown": (says(500, b"\x00" * 400), Receipt(FAILED, "http_500", 500, ("\\u0000" * 84)[:499] + "…")),
    "more than is read": (says(200, b"a" * 100_000), Receipt(DELIVERED, "http_200", 200, "a" * 499 + "…")),
    "compressed": (says(200, b"\x1f\x8b", Content_Encoding="gzip"), Receipt(DELIVERED, "http_200", 200)),
    "not compressed": (says(200, b"a", Content_Encoding="Identity"), Receipt(DELIVERED, "http_200", 200, "a")),
}  # fmt: skip


def untimed(receipt: Receipt) -> Receipt:
    assert 0 < receipt.seconds < 30
    receipt.seconds = 0.0  # type: ignore[misc]  # a value of the test's own
    return receipt


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_made_of_an_answer(receiver: Receiver, name: str) -> None:
    reply, expected = ANSWERS[name]
    receiver.spoil(reply)
    with sender(now=lambda: NOON) as sending:
        assert [untimed(each) for each in sent(sending, event(receiver.url))] == [expected]
    assert len(receiver.asked) == 1, "asked once; whoever delivers knows when to ask again"


def test_events_go_one_after_the_other_up_to_the_first_that_fails(receiver: Receiver) -> None:
    receiver.spoil(says(200), says(500), says(200))
    events = [event(receiver.url, name) for name in ("a", "b", "c")]
    with sender() as sending:
        assert [receipt.code for receipt in sent(sending, *events)] == ["http_200", "http_500"]
        assert receiver.ids == ["a", "b"]
        assert [receipt.fate for receipt in sent(sending, *events[1:])] == [DELIVERED] * 2
    assert receiver.ids == ["a", "b", "b", "c"]


def test_what_is_sent(receiver: Receiver) -> None:
    with sender() as sending:
        assert sent(sending, event(f"{receiver.url}/hooks/%7Ea?b=c&d")) != []
        assert sent(sending, event(f"{receiver.url}?x")) != []
    first, second = receiver.asked
    assert (first.method, first.path, first.body) == ("POST", "/hooks/%7Ea?b=c&d", BODY)
    assert second.path == "/?x"
    expected = {
        "host": f"127.0.0.1:{receiver.port}",
        "content-type": "application/json",
        "accept-encoding": "identity",
        "webhook-id": "evt_1",
    }
    assert expected.items() <= first.headers.items()


def test_an_answer_that_was_lost_is_no_delivery(receiver: Receiver) -> None:
    receiver.spoil(LOST)
    with sender() as sending:
        assert [receipt.code for receipt in sent(sending, event(receiver.url))] == ["connection_lost"]
        assert [receipt.fate for receipt in sent(sending, event(receiver.url))] == [DELIVERED]
    assert receiver.ids == ["evt_1", "evt_1"], "the same name both times"


def test_an_endpoint_that_is_away_and_comes_back(receiver: Receiver) -> None:
    with sender() as sending:
        receiver.go_down()
        assert [receipt.code for receipt in sent(sending, event(receiver.url))] == ["not_connected"]
        receiver.come_up()
        assert [receipt.fate for receipt in sent(sending, event(receiver.url))] == [DELIVERED]


def test_the_sender_of_a_deployment(receiver: Receiver) -> None:
    for allowed, code in ((False, "address_refused"), (True, "http_200")):
        with closing(sender_of(Settings(webhook_allow_private=allowed, webhook_timeout_s=20))) as sending:
            assert [receipt.code for receipt in sending.submit([event(receiver.url)]).result(30)] == [code]


def test_the_environment_sends_nothing_elsewhere(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with sender() as sending:
        assert [receipt.fate for receipt in sent(sending, event(receiver.url))] == [DELIVERED]


def test_what_is_no_request(receiver: Receiver) -> None:
    wrong = {
        "no key": event(receiver.url, keys=()),
        "an id that begins a line": event(receiver.url, "evt\r\nx: y"),
        "an id that is no ASCII": event(receiver.url, "é"),
    }
    with sender() as sending:
        told = {name: [receipt.code for receipt in sent(sending, each)] for name, each in wrong.items()}
        assert told == {name: ["not_sendable"] for name in wrong}
        assert [receipt.code for receipt in sent(sending, event("http://a@b/"))] == ["url_credentials"]
        assert sent(sending) == []
        assert [receipt.fate for receipt in sent(sending, event(receiver.url))] == [DELIVERED]
    assert receiver.ids == ["evt_1"]
