"""Whatever arrives is answered or parked, and acknowledged: through the partition itself, on a real database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, Signature
from celery.events.dispatcher import EventDispatcher
from hypothesis import HealthCheck, given, settings
from kombu.utils.json import dumps
from sqlalchemy import Engine, text

from tests.property.wire import message_of, messages
from tests.support.builders import reset
from tests.support.emptied import emptied, shared_engine
from tests.support.search import DRAWN
from worker.app import app
from worker.brokers.redis.server import use_transport
from worker.consuming.batch_consumer import BatchConsumer
from worker.observability.recent import Recent
from worker.runtime import Runtime
from worker.settings.settings import Settings

__all__ = ["emptied", "shared_engine"]


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    return emptied


class _Broker:
    """A channel that counts what is acknowledged."""

    no_ack_consumers = None

    def __init__(self) -> None:
        self.acknowledged = 0

    def basic_ack(self, tag: str, multiple: bool = False) -> None:
        self.acknowledged += 1


class _Events(EventDispatcher):
    """Events as Flower gets them, less the network: what cannot be written raises here."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.groups: set[str] = set()  # all

    def send(self, type: str, *_: Any, **fields: Any) -> None:
        self.sent.append(dumps({"type": type, **fields}))

    enabled = True


class _Backend:
    """Results as Celery writes them, less the network."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def store_result(self, task_id: str, result: Any, state: str, **_: Any) -> None:
        self.told.append(
            json.dumps([task_id, state, str(result) if isinstance(result, Exception) else result], default=str)
        )


@pytest.fixture
def new_consumer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], BatchConsumer]]:
    runtime = Runtime(Settings(database_url=engine.url.render_as_string(hide_password=False)))
    monkeypatch.setattr(Signature, "apply_async", lambda *_, **__: None)  # what is linked goes nowhere
    events = _Events()
    consumer = SimpleNamespace(
        hostname="fuzz@host", event_dispatcher=events, connection_errors=(),
        hub=SimpleNamespace(call_soon=lambda _: None, on_tick=set()), timer=None,
        connection=SimpleNamespace(transport=SimpleNamespace(driver_type="redis")), recent=Recent(),
    )  # fmt: skip
    monkeypatch.setattr(Celery, "backend", _Backend())
    yield lambda: BatchConsumer(runtime, app, consumer)
    runtime.engine.dispose()
    use_transport("stock")  # the app's configuration chose another for this process


def test_every_message_is_answered_or_parked_and_acknowledged(
    new_consumer: Callable[[], BatchConsumer], engine: Engine
) -> None:
    @settings(
        max_examples=DRAWN.examples(200, weight=4),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(messages())
    def each(parts: dict[str, Any]) -> None:
        reset(engine)
        partition, broker = new_consumer(), _Broker()
        message = message_of(parts, broker)
        partition.on_message(message)
        partition.flush()
        assert broker.acknowledged == 1
        with engine.connect() as connection:
            jobs = connection.execute(text("select count(*) from jobs")).scalar_one()
            letters = list(connection.execute(text("select body from dead_letters")).scalars())
        assert jobs + len(letters) == 1
        raw = message.body
        assert letters in ([], [raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw])

    each()
