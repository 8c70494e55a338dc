"""A publisher with an outbox that kills itself: python -m tests.acceptance.outbox_publisher DATABASE BROKER QUEUE STEP

It writes an order named STEP and its job in one transaction, relays, and dies by SIGKILL at the step of that name.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, Engine, MetaData, Table, Text, create_engine, event, insert

from tasks.client import BalanceClient
from tasks.publisher_outbox import PublisherOutbox
from tasks.publishing.job_message import JobMessage

STEPS: Final = (
    "written, not committed",
    "committed",
    "about to publish",
    "published, not removed",
    "removed, not committed",
    "relayed",
)
METADATA: Final = MetaData()
ORDERS: Final = Table("orders", METADATA, Column("name", Text, primary_key=True))
OUTBOX: Final = PublisherOutbox(METADATA, producer="shop")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Client(BalanceClient):
    step = ""

    def publish(self, messages: Sequence[JobMessage]) -> None:
        if self.step == "about to publish":
            die()
        super().publish(messages)
        if self.step == "published, not removed":
            die()


def order(engine: Engine, name: str) -> None:
    with engine.begin() as connection:
        connection.execute(insert(ORDERS).values(name=name))
        job = {
            "idempotency_key": name,
            "wallet_id": "w",
            "credits_to_add": "1",
            "transaction_reason": "INVOICE_PAYMENT",
        }
        OUTBOX.add(connection, ("wallets.top_up", job))
        if name == "written, not committed":
            die()


def main(database: str, broker: str, queue: str, step: str) -> None:
    engine = create_engine(database)
    order(engine, step)
    if step == "committed":
        die()
    if step == "removed, not committed":

        @event.listens_for(engine, "commit")
        def before_commit(_connection: Any) -> None:
            die()

    with Client(broker, queue=queue) as client:
        client.step = step
        OUTBOX.relay(engine, client)
    die()


if __name__ == "__main__":
    main(*sys.argv[1:])
