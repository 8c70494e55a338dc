"""Who answers must show that the host is theirs: the host of the URL, not the address that it was found at."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest

from tests.integration.webhooks.events import PATIENCE_S, event, resolving, sender, sent
from tests.support.servers.listening import listening
from tests.support.servers.receiver import Receiver
from tests.support.servers.tls import Authority, authority, encrypted

HERE = resolving(["127.0.0.1"])


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls"), "known", "DNS:hooks.example.com")


@pytest.fixture
def port(receiver: Receiver, known: Authority) -> Iterator[int]:
    """Where the receiver speaks TLS, as hooks.example.com."""
    with encrypted(receiver.url, "https", known) as url:
        yield urlsplit(url).port or 0


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("hooks.example.com", "http_200"),
        ("HOOKS.example.com", "http_200"),
        ("hooks.example.com.", "http_200"),
        ("other.example.com", "tls_failed"),
        ("example.com", "tls_failed"),
        ("127.0.0.1", "tls_failed"),
        ("localhost", "tls_failed"),
        ("xn--a", "tls_failed"),
    ],
)
def test_the_name_of_the_url_is_what_counts(
    receiver: Receiver, known: Authority, port: int, host: str, code: str
) -> None:
    with sender(ca=known.ca, resolve=HERE) as sending:
        assert [each.code for each in sent(sending, event(f"https://{host}:{port}/"))] == [code]
    assert len(receiver.asked) == (code == "http_200")


def test_the_address_that_a_name_was_found_at_proves_nothing(receiver: Receiver, tmp_path: Path) -> None:
    of_the_address = authority(tmp_path, "address", "IP:127.0.0.1")
    with encrypted(receiver.url, "https", of_the_address) as url, sender(ca=of_the_address.ca, resolve=HERE) as sending:
        by_name = url.replace("127.0.0.1", "hooks.example.com")
        assert [each.code for each in sent(sending, event(by_name))] == ["tls_failed"]
        assert [each.code for each in sent(sending, event(url))] == ["http_200"]
    assert len(receiver.asked) == 1


def test_who_is_vouched_for_by_nobody_is_told_nothing(receiver: Receiver, port: int) -> None:
    with sender(resolve=HERE) as sending:
        assert [each.code for each in sent(sending, event(f"https://hooks.example.com:{port}/"))] == ["tls_failed"]
    assert receiver.asked == []


def test_who_wants_a_certificate_of_ours(receiver: Receiver, known: Authority) -> None:
    with encrypted(receiver.url, "https", known, ask=True) as url, sender(ca=known.ca, resolve=HERE) as sending:
        by_name = url.replace("127.0.0.1", "hooks.example.com")
        (receipt,) = sent(sending, event(by_name))
    # It says so after the handshake, and may hang up with a reset, which outruns what it says.
    assert receipt.code in ("tls_failed", "connection_lost")
    assert receiver.asked == []


def test_who_speaks_no_tls(receiver: Receiver) -> None:
    with sender() as sending:
        assert [each.code for each in sent(sending, event(f"https://127.0.0.1:{receiver.port}/"))] == ["tls_failed"]
    assert receiver.asked == []


def test_who_hangs_up_in_the_handshake() -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.recv(65_536)

    with listening(hang_up) as url, sender() as sending:
        assert [each.code for each in sent(sending, event(url.replace("http:", "https:")))] == ["tls_failed"]


def test_a_handshake_that_does_not_end() -> None:
    over = Event()

    def listen(_connection: socket.socket) -> None:
        over.wait(PATIENCE_S)

    with listening(listen) as url, sender(timeout_s=0.5) as sending:
        assert [each.code for each in sent(sending, event(url.replace("http:", "https:")))] == ["timed_out"]
        over.set()


def test_a_connection_is_kept_over_tls_too(receiver: Receiver, known: Authority, port: int) -> None:
    with sender(ca=known.ca, resolve=HERE) as sending:
        events = [event(f"https://hooks.example.com:{port}/", str(number)) for number in range(5)]
        assert [each.code for each in sent(sending, *events)] == ["http_200"] * 5
    assert receiver.ids == ["0", "1", "2", "3", "4"]
