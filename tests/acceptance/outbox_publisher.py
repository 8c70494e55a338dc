"""A publisher with an outbox that is killed: it writes an order and its job in one transaction, and relays."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Column, MetaData, Table, Text, Transaction, create_engine, insert

from balance_client import BalanceClient
from balance_client.outbox import PublisherOutbox
from tests.acceptance.killpoints import KillPoint, assert_killed
from tests.acceptance.system import System
from tests.support.servers import forks

STEPS: Final = {
    "written, not committed": KillPoint(PublisherOutbox.add, "after"),
    "committed": KillPoint(PublisherOutbox.relay, "before"),
    "about to publish": KillPoint(BalanceClient.publish, "before"),
    "published, not removed": KillPoint(BalanceClient.publish, "after"),
    "removed, not committed": KillPoint(Transaction.commit, "before", 2),  # the first is the order's
    "relayed": KillPoint(PublisherOutbox.relay, "after"),
}
METADATA: Final = MetaData()
ORDERS: Final = Table("orders", METADATA, Column("name", Text, primary_key=True))
OUTBOX: Final = PublisherOutbox(METADATA, producer="shop")


def order_and_die(step: str, database: str, system: System, log: Path) -> None:
    """An order of the step's name, by a publisher that dies at the step."""
    point = STEPS[step]
    place = (database, system.broker_url, system.queue)
    process = forks.start(_publish, step, point, *place, environment=system.environment, stdout=log, stderr=log)
    try:
        assert_killed(process, point, log)
    finally:
        forks.kill(process)


def _publish(name: str, point: KillPoint, database: str, broker: str, queue: str) -> None:
    point.arm()
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(insert(ORDERS).values(name=name))
        job = {
            "idempotency_key": name,
            "wallet_id": "w",
            "credits_to_add": "1",
            "transaction_reason": "INVOICE_PAYMENT",
        }
        OUTBOX.add(connection, ("wallets.top_up", job))
    with BalanceClient(broker, queue=queue) as client:
        OUTBOX.relay(engine, client)
