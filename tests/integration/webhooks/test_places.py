"""Where requests go: to the address that was checked, and to none that may not be reached."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from models.domain.webhooks.addresses import Address
from tasks.events.sender import Fate
from tests.integration.webhooks.events import event, resolving, sender, sent
from tests.support.servers.receiver import Receiver
from tests.support.servers.recording_proxy import Reply
from worker.webhooks.dialing import system_connect

PUBLIC, OTHER = "192.31.196.7", "2620:4f:8000::7"  # public by their form; nothing is sent to them
CLOSING = Reply(200, b"", {"Connection": "close"})
LOOPBACK = [
    "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7F000001", "017700000001", "0177.0.0.01", "127.255.255.254",
    "localhost", "LOCALHOST",
]  # fmt: skip
NOWHERE = ["0.0.0.0", "0", "[::]", "[::ffff:0.0.0.0]", "255.255.255.255", "224.0.0.1", "[ff02::1]"]
REFUSED = [
    *LOOPBACK, *NOWHERE,
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]",
    "169.254.169.254", "0xa9fea9fe", "[::ffff:169.254.169.254]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1",
    "[fe80::1]", "[fd00::1]", "[fec0::1]",
]  # fmt: skip


class Network:
    """What connects: writes down the address, and leads public ones to a server of the test. None: nobody listens."""

    def __init__(self, public: int | None) -> None:
        self.connected: list[str] = []
        self._public = public

    async def connect(self, to: Address, port: int) -> socket.socket:
        self.connected.append(str(to))
        if str(to) not in (PUBLIC, OTHER):
            return await system_connect(to, port)
        if self._public is None:
            raise ConnectionRefusedError
        made = socket.create_connection(("127.0.0.1", self._public))
        made.setblocking(False)
        return made


@pytest.mark.parametrize("host", REFUSED)
def test_a_host_that_may_not_be_reached(receiver: Receiver, host: str) -> None:
    network = Network(None)
    with sender(allow_private=False, connect=network.connect) as sending:
        assert [each.code for each in sent(sending, event(f"http://{host}:{receiver.port}/"))] == ["address_refused"]
    assert network.connected == []
    assert receiver.asked == []


def test_a_socket_leads_to_the_address_and_nowhere_else() -> None:
    with socket.create_server(("127.0.0.2", 0)) as listener:
        place = listener.getsockname()
        with asyncio.run(system_connect(ip_address(place[0]), place[1])) as made:
            assert made.getpeername() == place
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(system_connect(ip_address("127.0.0.3"), place[1]))


def test_a_name_with_a_dot_at_its_end(receiver: Receiver) -> None:
    """Some resolvers know localhost by that name too."""
    with sender(allow_private=False) as sending:
        (receipt,) = sent(sending, event(f"http://localhost.:{receiver.port}/"))
    assert receipt.code in ("address_refused", "name_unknown")
    assert receiver.asked == []


@pytest.mark.parametrize("host", [host for host in LOOPBACK if not host.endswith(".254")])
def test_the_same_host_where_it_is_allowed(receiver: Receiver, host: str) -> None:
    with sender(allow_private=True) as sending:
        assert [each.fate for each in sent(sending, event(f"http://{host}:{receiver.port}/"))] == [Fate.DELIVERED]


@pytest.mark.parametrize("host", NOWHERE)
def test_what_is_nobodys_is_refused_even_then(receiver: Receiver, host: str) -> None:
    with sender(allow_private=True) as sending:
        assert [each.code for each in sent(sending, event(f"http://{host}:{receiver.port}/"))] == ["address_refused"]
    assert receiver.asked == []


def test_a_name_that_comes_to_stand_for_this_machine(receiver: Receiver) -> None:
    """What was checked is what is connected to: the second lookup of a connection, which would lead here, is none."""
    with Receiver() as public:
        public.spoil(CLOSING, CLOSING)
        network = Network(public.port)
        resolve = resolving([PUBLIC], ["127.0.0.1"])
        with sender(allow_private=False, resolve=resolve, connect=network.connect) as sending:
            url = f"http://rebinding.example.com:{receiver.port}/"
            assert [each.code for each in sent(sending, event(url, "a"), event(url, "b"))] == [
                "http_200", "address_refused",
            ]  # fmt: skip
            assert [each.code for each in sent(sending, event(url, "b"))] == ["address_refused"]
        assert public.ids == ["a"]
    assert network.connected == [PUBLIC]
    assert receiver.asked == []


def test_a_connection_that_is_kept_stays_where_it_was_checked(receiver: Receiver) -> None:
    with Receiver() as public:
        network = Network(public.port)
        resolve = resolving([PUBLIC], ["127.0.0.1"])
        with sender(allow_private=False, resolve=resolve, connect=network.connect) as sending:
            url = f"http://rebinding.example.com:{receiver.port}/"
            assert len(sent(sending, *(event(url, name) for name in "abc"))) == 3
        assert public.ids == ["a", "b", "c"]
    assert network.connected == [PUBLIC]
    assert receiver.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], ["::1", PUBLIC, "::ffff:127.0.0.1"], ["nonsense", PUBLIC],
        ["127.0.0.1", PUBLIC, PUBLIC], ["fe80::1%lo", PUBLIC],
    ],
)  # fmt: skip
@pytest.mark.parametrize("up", [True, False])
def test_of_several_addresses_only_those_that_may_be_reached(
    receiver: Receiver, answer: Sequence[str], up: bool
) -> None:
    """Not even when nobody listens on them."""
    with Receiver() as public:
        network = Network(public.port if up else None)
        with sender(allow_private=False, resolve=resolving(answer), connect=network.connect) as sending:
            receipts = sent(sending, event(f"http://both.example.com:{receiver.port}/"))
        assert [each.code for each in receipts] == ["http_200" if up else "not_connected"]
    assert network.connected == [PUBLIC]
    assert receiver.asked == []


def test_of_several_addresses_the_first_that_answers(receiver: Receiver) -> None:
    """One that is dead leaves time for the next."""
    tried = list[str]()

    async def connect(to: Address, port: int) -> socket.socket:
        tried.append(str(to))
        if str(to) != "127.0.0.1":
            await asyncio.Event().wait()
        return await system_connect(to, port)

    resolve = resolving([PUBLIC, OTHER, "127.0.0.1"])
    with sender(timeout_s=3.0, resolve=resolve, connect=connect) as sending:
        receipts = sent(sending, event(f"http://several.example.com:{receiver.port}/"))
    assert [each.fate for each in receipts] == [Fate.DELIVERED]
    assert tried == [PUBLIC, OTHER, "127.0.0.1"]


@pytest.mark.parametrize("fault", [socket.gaierror(socket.EAI_NONAME, "no"), UnicodeError("label too long"), None])
def test_a_name_of_nobody(fault: Exception | None) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        if fault:
            raise fault
        return []

    with sender(allow_private=False, resolve=resolve) as sending:
        assert [each.code for each in sent(sending, event("http://nobody.invalid/"))] == ["name_unknown"]


def test_the_systems_own_resolver_knows_no_such_name() -> None:
    with sender(allow_private=False) as sending:
        assert [each.code for each in sent(sending, event("http://a..b/"))] == ["url_host"]
        (receipt,) = sent(sending, event("http://nobody.invalid/"))
    assert receipt.code in ("name_unknown", "timed_out")


def test_a_resolver_that_hangs() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    with sender(allow_private=False, timeout_s=0.2, resolve=resolve) as sending:
        assert [each.code for each in sent(sending, event("http://slow.example.com/"))] == ["timed_out"]


def test_a_fault_of_ours_is_a_receipt_too(receiver: Receiver) -> None:
    async def resolve(host: str, _port: int) -> list[str]:
        if host == "broken.example.com":
            raise RuntimeError("a fault of a test")
        return ["127.0.0.1"]

    with sender(resolve=resolve) as sending:
        receipts = sent(sending, event("http://broken.example.com/", "a"), event(receiver.url, "b"))
        assert [each.code for each in receipts] == ["sender_failed"]
        assert [each.code for each in sent(sending, event(receiver.url))] == ["http_200"]
