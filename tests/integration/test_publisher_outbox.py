"""The publisher's outbox on PostgreSQL and SQLite: with the transaction or not at all, in order, never forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, MetaData, create_engine, func, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from balance_client import BalanceClient, InvalidJob, PublishFailed
from balance_client.outbox import PublisherOutbox
from balance_client.publishing.job_message import JobMessage, JobSpec
from models.contracts.jobs.users import UsersUpdateBalance
from tests.acceptance.system import wait_until
from tests.support.servers.queues import taken

PATIENCE_S = 30


class Recording(BalanceClient):
    """Takes messages in the place of a broker."""

    def __init__(self) -> None:
        super().__init__("redis://127.0.0.1:1/0")
        self.published: list[JobMessage] = []

    def publish(self, messages: Sequence[JobMessage]) -> None:
        self.published += messages

    @property
    def keys(self) -> list[str]:
        return [message.idempotency_key for message in self.published]


@pytest.fixture(params=["postgresql", "sqlite"])
def publisher_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'shop.db'}" if sqlite else str(request.getfixturevalue("empty_database_url"))
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def outbox(publisher_engine: Engine) -> PublisherOutbox:
    metadata = MetaData()
    outbox = PublisherOutbox(metadata, producer="shop")
    metadata.create_all(publisher_engine)
    return outbox


def job(key: str, **changes: Any) -> JobSpec:
    return "users.update_balance", {"idempotency_key": key, "user_id": 1, "amount_kopeks": 5, **changes}


def waiting(engine: Engine, outbox: PublisherOutbox) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(outbox.table)) or 0)


def add(engine: Engine, outbox: PublisherOutbox, *keys: str) -> None:
    with engine.begin() as connection:
        for key in keys:
            outbox.add(connection, job(key))


def test_published_in_order_and_removed(
    publisher_engine: Engine, outbox: PublisherOutbox, redis_url: str, unique_queue: str
) -> None:
    keys = [f"k{number}" for number in range(7)]
    add(publisher_engine, outbox, *keys)
    with BalanceClient(redis_url, queue=unique_queue) as client:
        assert [outbox.relay(publisher_engine, client, limit=3) for _ in range(4)] == [3, 3, 1, 0]
    messages = list(taken(redis_url, unique_queue))
    bodies = [message.payload[1] for message in messages]
    assert [body["idempotency_key"] for body in bodies] == keys
    assert bodies[0] == {"idempotency_key": "k0", "producer": "shop", "user_id": 1, "amount_kopeks": 5}
    assert len({message.headers["id"] for message in messages}) == len(keys)
    assert waiting(publisher_engine, outbox) == 0


def test_rolled_back_is_not_published(publisher_engine: Engine, outbox: PublisherOutbox) -> None:
    with Session(publisher_engine) as session:
        outbox.add(session, UsersUpdateBalance(idempotency_key="k", user_id=1, amount_kopeks=5))
        session.rollback()
        outbox.add(session, UsersUpdateBalance(idempotency_key="kept", user_id=1, amount_kopeks=5))
        session.commit()
    client = Recording()
    assert outbox.relay(publisher_engine, client) == 1
    assert client.keys == ["kept"]
    assert client.published[0].account == "user:1"
    assert client.published[0].kwargs["producer"] == "shop"


def test_wrong_job_is_refused_when_it_is_added(publisher_engine: Engine, outbox: PublisherOutbox) -> None:
    with publisher_engine.begin() as connection, pytest.raises(InvalidJob, match="amount_kopeks"):
        outbox.add(connection, job("k", amount_kopeks="a lot"))
    assert waiting(publisher_engine, outbox) == 0


def test_what_the_broker_does_not_take_stays(publisher_engine: Engine, outbox: PublisherOutbox) -> None:
    add(publisher_engine, outbox, "k")
    with BalanceClient("redis://127.0.0.1:1/0") as absent, pytest.raises(PublishFailed):
        outbox.relay(publisher_engine, absent)
    assert waiting(publisher_engine, outbox) == 1


def test_relay_goes_on_after_a_fault_until_it_is_told_to_stop(
    publisher_engine: Engine, outbox: PublisherOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = Event()

    class Flaky(Recording):
        calls = 0

        def publish(self, messages: Sequence[JobMessage]) -> None:
            self.calls += 1
            if self.calls == 1:
                raise PublishFailed("away", [], [], [])
            super().publish(messages)
            if messages[-1].idempotency_key == "e":
                stopping.set()

    client = Flaky()
    add(publisher_engine, outbox, *"abcde")
    outbox.relay_until(stopping, publisher_engine, client, limit=2, pause_s=0.01)
    assert client.keys == list("abcde")
    assert "trying again" in caplog.text
    assert waiting(publisher_engine, outbox) == 0


def _read_only(engine: Engine, on: bool) -> None:
    by_hand = create_engine(engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with by_hand.connect() as connection:
        name = connection.scalar(text("select current_database()"))
        connection.execute(text("set default_transaction_read_only = off"))
        connection.execute(text(f'alter database "{name}" set default_transaction_read_only = {"on" if on else "off"}'))


@contextmanager
def _after_a_failover(engine: Engine) -> Iterator[None]:
    """The server that answers is the one that was a standby, and for a moment still is."""
    _read_only(engine, True)
    engine.dispose()
    yield
    _read_only(engine, False)
    engine.dispose()


@contextmanager
def _in_a_rush(engine: Engine) -> Iterator[None]:
    """The service needs all the connections of the pool itself."""
    with engine.connect():
        yield


@pytest.mark.parametrize("away", [_after_a_failover, _in_a_rush])
def test_a_database_that_cannot_be_written_to_is_waited_for(
    empty_database_url: str, caplog: pytest.LogCaptureFixture, away: Callable[[Engine], AbstractContextManager[None]]
) -> None:
    engine, metadata = create_engine(empty_database_url, pool_size=1, max_overflow=0, pool_timeout=0.1), MetaData()
    outbox = PublisherOutbox(metadata, producer="shop")
    metadata.create_all(engine)
    add(engine, outbox, "a")
    stopping, client = Event(), Recording()
    with ThreadPoolExecutor(1) as pool:
        try:
            with away(engine):
                relay = pool.submit(outbox.relay_until, stopping, engine, client, pause_s=0.05)
                wait_until("the relay to see it", lambda: relay.done() or "trying again" in caplog.text)
                assert not relay.done(), relay.exception()
                assert client.keys == []
            wait_until("the job to leave", lambda: relay.done() or client.keys == ["a"])
        finally:
            stopping.set()
        assert relay.result(PATIENCE_S) is None
    assert waiting(engine, outbox) == 0
    engine.dispose()


def test_relays_share_the_work(empty_database_url: str) -> None:
    """On PostgreSQL a relay does not wait for the rows of another, and does not publish them."""
    engine, metadata = create_engine(empty_database_url), MetaData()
    outbox = PublisherOutbox(metadata, producer="shop")
    metadata.create_all(engine)
    add(engine, outbox, *"abcd")
    inside, go_on = Event(), Event()

    class Slow(Recording):
        def publish(self, messages: Sequence[JobMessage]) -> None:
            inside.set()
            assert go_on.wait(PATIENCE_S)
            super().publish(messages)

    slow, other = Slow(), Recording()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(outbox.relay, engine, slow, limit=2)
        assert inside.wait(PATIENCE_S)
        try:
            assert outbox.relay(engine, other) == 2
        finally:
            go_on.set()
        assert first.result(PATIENCE_S) == 2
    assert (slow.keys, other.keys) == (["a", "b"], ["c", "d"])
    assert waiting(engine, outbox) == 0
    engine.dispose()


def test_a_job_that_a_newer_contract_refuses_is_left_to_the_worker(
    publisher_engine: Engine, outbox: PublisherOutbox
) -> None:
    """Otherwise one row would stop all that stand behind it."""
    add(publisher_engine, outbox, "k")
    with publisher_engine.begin() as connection:
        _set_arguments(connection, outbox, {"idempotency_key": "k", "field_of_old": 1})
    client = Recording()
    assert outbox.relay(publisher_engine, client) == 1
    assert dict(client.published[0].kwargs) == {"idempotency_key": "k", "field_of_old": 1}


def _set_arguments(connection: Connection, outbox: PublisherOutbox, arguments: dict[str, Any]) -> None:
    connection.execute(outbox.table.update().values(arguments=json.dumps(arguments)))


@pytest.mark.parametrize("limit", [0, 5_001])
def test_limit_is_bounded(publisher_engine: Engine, outbox: PublisherOutbox, limit: int) -> None:
    with pytest.raises(ValueError, match="allowed is 1 to 5000"):
        outbox.relay(publisher_engine, Recording(), limit=limit)
