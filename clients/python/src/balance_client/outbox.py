"""A publisher's own outbox: a job is published if and only if the publisher's transaction commits.

    outbox = PublisherOutbox(metadata, producer="billing")      # a table beside your own; create it as you do those

    with Session(engine) as session, session.begin():
        session.add(invoice)
        outbox.add(session, ("wallets.top_up", {"idempotency_key": invoice.number, ...}))

    outbox.relay_until(stopping, engine, client)                # in a process or thread of its own

This table lives in the publisher's database. It is not the ledger's outbox (models/tables/outbox.py), which holds what
the worker tells. Needs SQLAlchemy, which `balance_client.client` does not. Django's is `balance_client.django.outbox`.
"""

from __future__ import annotations

from threading import Event
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm import Session

from balance_client.client import BalanceClient
from balance_client.publishing.job_message import JobSpec
from balance_client.publishing.outbox_rows import TABLE, OutboxRow, check_limit, relay_until

# A server that a failover made read-only, and a pool whose connections all are in use, pass like one that is down.
_AWAY: Final = (OperationalError, InterfaceError, InternalError, PoolExhausted)


class PublisherOutbox:
    """The table of jobs to be published, and the two things done with it.

    `metadata`: yours, so that your migrations see the table. `producer`: whom the jobs are from, unless a job says.
    Tried on PostgreSQL and SQLite; any database of SQLAlchemy's that has `limit` should do.
    """

    def __init__(self, metadata: MetaData, producer: str, name: str = TABLE) -> None:
        self._producer = producer
        self.table = Table(
            name,
            metadata,
            # SQLite counts by itself only in a column of this very type.
            Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
            Column("job", Text, nullable=False),
            Column("arguments", Text, nullable=False),  # JSON; decimals are strings in it
            Column("account", Text),  # wallet:w_1 or id:0197…, for the partition; null when it is not known
            Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        )

    def add(self, connection: Connection | Session, job: JobSpec) -> None:
        """Writes a job in the caller's transaction: a contract's instance, or (name, keyword arguments).

        Raises InvalidJob for what the worker would refuse without looking at a balance; nothing is written then.
        """
        row = OutboxRow.of(job, self._producer)
        connection.execute(insert(self.table).values(job=row.job, arguments=row.arguments, account=row.account))

    def relay(self, engine: Engine, client: BalanceClient, *, limit: int = 500) -> int:
        """Publishes the oldest jobs, at most `limit`, in the order in which they were added. Returns how many.

        Their rows are locked meanwhile and deleted once the broker has confirmed all of them. A relay that dies or
        raises (PublishFailed, or an error of the database) in between leaves the rows: they are published again, which
        the key makes harmless. Several relays may run, each takes rows that no other holds; the order is kept by one.
        """
        check_limit(limit)
        oldest = select(self.table).order_by(self.table.c.id).limit(limit).with_for_update(skip_locked=True)
        with engine.begin() as connection:
            rows = connection.execute(oldest).all()
            if rows:
                client.publish([OutboxRow(row.job, row.arguments, row.account).message() for row in rows])
                connection.execute(delete(self.table).where(self.table.c.id.in_([row.id for row in rows])))
        return len(rows)

    def relay_until(
        self, stopping: Event, engine: Engine, client: BalanceClient, *, limit: int = 500, pause_s: float = 0.5
    ) -> None:
        """Relays until `stopping` is set, looking again `pause_s` after it found nothing more.

        A broker or a database that is away is logged as a warning and waited for; any other error is raised.
        """
        relay_until(
            stopping,
            lambda: self.relay(engine, client, limit=limit),
            outbox=self.table.name,
            limit=limit,
            pause_s=pause_s,
            away=_AWAY,
        )
