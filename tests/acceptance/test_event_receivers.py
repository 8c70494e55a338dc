"""Receivers that misbehave, a broker that restarts, two I/O workers, a flood: every event arrives, and nobody waits.

All that misbehave do it at once, beside one that does not. Nothing here is measured in seconds: the others have
everything while somebody still misbehaves, or before the flood has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

import pytest
from sqlalchemy import Engine

from tests.acceptance.system import System, wait_until
from tests.acceptance.telling import Telling, duplicates, received, stream_of
from tests.support.builders import job, settle
from tests.support.servers import servers
from tests.support.servers.proxy import Proxy
from tests.support.servers.queues import removed_after
from tests.support.servers.receiver import Receiver
from tests.support.servers.recording_proxy import Asked, Reply
from worker.local.servers.embedded import EmbeddedValkey

FLOOD: Final = 1_500
Away = Callable[[], object]


class Moody(Receiver):
    """Says one thing to every request until it is mended. `said`: None: nothing, for longer than anybody waits."""

    def __init__(self, said: Reply | None) -> None:
        self._said, self._mended = said, Event()
        super().__init__()

    def mend(self) -> None:
        self._mended.set()

    def reply(self, asked: Asked) -> Reply:
        if self._mended.is_set():
            return super().reply(asked)
        if self._said is None:
            self._mended.wait(20)
            return super().reply(asked)
        return self._said


class Down(Moody):
    """Nobody listens."""

    def __init__(self) -> None:
        super().__init__(None)
        self.go_down()

    def mend(self) -> None:
        super().mend()
        self.come_up()


def assert_in_order(events: list[dict[str, Any]]) -> None:
    """Of each account, whatever is left out."""
    first: dict[str, dict[int, None]] = {}
    for event in events:
        first.setdefault(event["account"], {}).setdefault(event["seq"])
    assert first
    assert all([*seen] == sorted(seen) for seen in first.values())


def lying(beginning: bytes) -> Moody:
    """It says so much, and hangs up."""
    return Moody(Reply(raw=beginning))


def _redirecting(to: Receiver) -> Moody:
    return Moody(Reply(307, b"", {"Location": to.url}))


@dataclass(frozen=True, slots=True)
class Misbehaving:
    """A receiver, and what its requests come to."""

    receiver: Moody
    code: str
    endpoint: str


def _misbehaving(telling: Telling, elsewhere: Receiver, stack: ExitStack) -> dict[str, Misbehaving]:
    table: dict[str, tuple[Moody, str]] = {
        "down": (Down(), "not_connected"),
        "slow": (Moody(None), "timed_out"),
        "200, and it breaks off": (lying(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nhalf"), "connection_lost"),
        "half of a 200": (lying(b"HTTP/1.1 20"), "connection_lost"),
        "500": (Moody(Reply(500, b"no")), "http_500"),
        "410": (Moody(Reply(410)), "http_410"),
        "a redirect": (_redirecting(elsewhere), "redirect_refused"),
        "garbage": (lying(b"SSH-2.0-OpenSSH_9.2\r\n"), "unreadable_answer"),
    }
    return {
        name: Misbehaving(stack.enter_context(receiver), code, telling.listen(receiver.url, name))
        for name, (receiver, code) in table.items()
    }


@pytest.fixture
def telling(any_system: System, unique_queue: str) -> Iterator[Telling]:
    """With a money worker, and no I/O worker yet."""
    name = f"{unique_queue}.events"
    with stream_of(any_system.broker_url, name) as stream:
        telling = Telling(any_system, stream, name)
        any_system.money_worker()
        yield telling


def test_receivers_that_misbehave_keep_nobody_waiting_and_get_everything_in_the_end(telling: Telling) -> None:
    system = telling.system
    with Receiver() as good, Receiver() as elsewhere, ExitStack() as stack:
        telling.listen(good.url)
        bad = _misbehaving(telling, elsewhere, stack)
        system.io_worker()
        users = telling.users(6)
        telling.tell(users, 1, 2, 3)
        wait_until("the good one to have all", lambda: telling.has(received(good), users))
        wait_until("the stream to have all", lambda: telling.has(telling.stream.events(), users))
        assert _statuses(system, "delivered") == {good.url}
        wait_until("each to have failed", lambda: _codes(system) == {each.endpoint: each.code for each in bad.values()})
        assert elsewhere.asked == [], "nobody goes where a redirect leads"
        wait_until("who is gone to be disabled", lambda: _disabled(system) == {(bad["410"].endpoint, "gone")})
        telling.tell(users, 4)

        for name, each in bad.items():
            each.receiver.mend()
            anew = "webhooks.enable" if name == "410" else "webhooks.update"
            changes = {} if name == "410" else {"name": "mended"}
            outcome = system.ask(anew, idempotency_key=f"mended {name}", endpoint_id=each.endpoint, **changes)
            assert outcome["code"] == "applied"
        telling.all_leave()
        telling.assert_arrived(telling.stream.events(), users)
        telling.assert_arrived(received(good), users)
        for name, each in bad.items():
            events = received(each.receiver)
            if name == "410":  # what happens while it is disabled is not for it
                assert_in_order(events)
            else:
                telling.assert_arrived(events, users)
            assert {event["id"] for event in events} <= {event["id"] for event in telling.stream.events()}, name


def _statuses(system: System, status: str) -> set[str]:
    query = "select distinct e.url from webhook_deliveries d join webhook_endpoints e on e.id = d.endpoint_id"
    return {row.url for row in system.rows(f"{query} where d.status = :status", status=status)}


def _codes(system: System) -> dict[str, str]:
    """What the last attempt at each endpoint came to that has not succeeded."""
    query = "select distinct endpoint_id, code from webhook_deliveries where status = 'waiting' and code is not null"
    return {str(row.endpoint_id): row.code for row in system.rows(query)}


def _disabled(system: System) -> set[tuple[str, str]]:
    return {
        (str(row.id), row.disabled)
        for row in system.rows("select id, disabled from webhook_endpoints where disabled is not null")
    }


# --- the broker restarts


@contextmanager
def _own_broker(kind: str, rabbitmq_url: str, unique_queue: str) -> Iterator[tuple[str, Away, Away]]:
    """Its URL, what takes it away, and what brings it back."""
    if kind == "redis":
        with servers.server_directory(in_memory=True) as directory, EmbeddedValkey(directory) as valkey:
            yield valkey.url, valkey.stop, valkey.start
    else:
        with removed_after(rabbitmq_url, unique_queue), Proxy(rabbitmq_url) as proxy:
            yield proxy.url, proxy.refuse, proxy.heal


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_broker_that_restarts_loses_nothing_and_webhooks_go_on(
    kind: str, request: pytest.FixtureRequest, database_url: str, engine: Engine, unique_queue: str, tmp_path: Path
) -> None:
    rabbitmq_url = request.getfixturevalue("rabbitmq_url") if kind == "rabbitmq" else ""
    name = f"{unique_queue}.events"
    with _own_broker(kind, rabbitmq_url, unique_queue) as (url, away, back):
        system = System(url, database_url, engine, unique_queue, tmp_path)
        try:
            with stream_of(rabbitmq_url or url, name) as stream, Receiver() as receiver:
                telling = Telling(system, stream, name)
                system.money_worker()
                first = system.io_worker("io-1")
                telling.listen(receiver.url)
                users = telling.users(10)
                telling.tell(users, 1)
                wait_until("the stream", lambda: telling.has(stream.events(), users))
                away()
                _correct(engine, users)
                wait_until("the receiver to have all", lambda: telling.has(received(receiver), users))
                wait_until("the stream alone to be missing", lambda: telling.left().keys() == {"backlog"})
                first.kill()
                _correct(engine, users)  # when the next one comes, these wait behind what the stream has missed
                back()
                with telling.io_worker("io-2"):
                    telling.tell(users, 4, 5)
                    telling.all_leave()
                telling.assert_arrived(stream.events(), users)
                telling.assert_arrived(received(receiver), users)
        finally:
            system.stop()


def _correct(engine: Engine, users: Sequence[int]) -> None:
    """Without a broker: whoever applies jobs, here it is the test itself."""
    settle(engine, *(job("users.update_balance", user_id=user, amount_kopeks=1) for user in users))


# --- two I/O workers, and one account that has more to tell than the others


@pytest.mark.slow
def test_two_io_workers_keep_the_order_of_each_account_though_one_is_killed(telling: Telling) -> None:
    system = telling.system
    with Receiver() as receiver:
        telling.listen(receiver.url)
        users = telling.users(20)
        telling.tell(users, *range(5))
        first = system.io_worker("io-1")
        system.io_worker("io-2")
        telling.tell(users, *range(5, 15))
        telling.all_leave()
        assert duplicates(telling.stream.events()) == 0, "no two relays have one lane at a time"
        telling.tell(users, *range(15, 20))
        first.kill()
        telling.tell(users, *range(20, 25))
        telling.all_leave()
        telling.assert_arrived(telling.stream.events(), users)
        telling.assert_arrived(received(receiver), users)


@pytest.mark.slow
def test_a_flood_of_one_account_holds_up_no_other(telling: Telling, engine: Engine) -> None:
    """What is told is there before anybody relays it: the flood first."""
    with Receiver() as receiver:
        telling.listen(receiver.url)
        [flooding, *others] = telling.users(17)  # of as many lanes as there are, and in one with the flood
        for _ in range(FLOOD // 100):
            settle(engine, *(job("users.update_balance", user_id=flooding, amount_kopeks=1) for _ in range(100)))
        telling.tell(others, 1, 2)
        telling.system.io_worker()
        telling.all_leave()
        told = received(receiver)
        telling.assert_arrived(told, [flooding, *others])
        telling.assert_arrived(telling.stream.events(), [flooding, *others])
        mine = f"user:{flooding}"
        last_of_others = max(number for number, event in enumerate(told) if event["account"] != mine)
        sent = sum(event["account"] == mine for event in told[:last_of_others])
        assert sent < FLOOD / 2, "the flood goes on when the others have everything"
        streamed = telling.stream.events()
        beside = {event["account"] for event in streamed[: FLOOD // 2]} - {mine}
        assert len(beside) >= len(others) - 1, "in the stream as well, but for the account in the lane of the flood"
