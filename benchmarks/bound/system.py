"""The bound, as a contender: our tables, our checks, and another program."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Final

from redis import Redis
from sqlalchemy import Engine

from benchmarks.bound.job import TopUp, encode
from benchmarks.bound.stream import FIELD, stream_of
from benchmarks.broker import Broker
from benchmarks.movement import Movement
from benchmarks.ours import Ours
from benchmarks.population import wallet_id
from benchmarks.servers import driver_url
from worker.settings.fields import Fields

_AT_ONCE: Final = 500  # messages published in one round trip


class Bound(Ours):
    """One process for each part of the accounts, with a stream of its own: no two of them want the same row."""

    def __init__(self, parts: int) -> None:
        self._parts = parts

    def publish(self, broker: Broker, database_url: str, messages: Sequence[Movement]) -> None:
        todo = iter(messages)
        with Redis.from_url(broker.url) as client:
            while some := list(islice(todo, _AT_ONCE)):
                pipeline = client.pipeline(transaction=False)
                for message in some:
                    name = stream_of(broker.queue, message.account % self._parts)
                    pipeline.xadd(name, {FIELD: encode(_job(message))})
                pipeline.execute()

    def commands(self, processes: int, *, events: bool, queue: str) -> list[list[str]]:
        return [[sys.executable, "-m", "benchmarks.bound", str(part)] for part in range(processes)]

    def environment(self, broker_url: str, database_url: str, queue: str) -> Mapping[str, str]:
        return {
            "BOUND_BROKER_URL": broker_url,
            "BOUND_DATABASE_URL": driver_url(database_url),
            "BOUND_QUEUE": queue,
            "BOUND_BATCH": str(Fields.model_fields["batch_limit"].default),  # as ours
        }

    def unfinished(self, broker: Broker, engine: Engine) -> int:
        with Redis.from_url(broker.url) as client:
            return sum(int(client.xlen(stream_of(broker.queue, part))) for part in range(self._parts))


def _job(message: Movement) -> TopUp:
    if message.kind != "wallet":
        raise ValueError(f"the bound tops up wallets alone, and no {message.kind}")
    return TopUp(message.key, wallet_id(message.account), Decimal(message.amount), "PURCHASED_CREDIT_DIRECT")
