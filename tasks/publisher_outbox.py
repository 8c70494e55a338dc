"""A publisher's own outbox: a job is published if and only if the publisher's transaction commits.

    outbox = PublisherOutbox(metadata, producer="billing")      # a table beside your own; create it as you do those

    with Session(engine) as session, session.begin():
        session.add(invoice)
        outbox.add(session, ("wallets.top_up", {"idempotency_key": invoice.number, ...}))

    outbox.relay_until(stopping, engine, client)                # in a process or thread of its own

This table lives in the publisher's database. It is not the ledger's outbox (models/tables/outbox.py), which holds what
the worker tells. Needs SQLAlchemy, which `tasks.client` does not.
"""

from __future__ import annotations

import json
import logging
from threading import Event
from typing import Any, Final
from uuid import uuid4

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
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from models.contracts.wire.envelope import DEFAULT_PRODUCER
from tasks.client import CHUNK_MAX, BalanceClient, PublishFailed
from tasks.publishing.job_message import JobMessage, JobSpec, job_message

_LOG: Final = logging.getLogger(__name__)


class PublisherOutbox:
    """The table of jobs to be published, and the two things done with it.

    `metadata`: yours, so that your migrations see the table. `producer`: whom the jobs are from, unless a job says.
    Tried on PostgreSQL and SQLite; any database of SQLAlchemy's that has `limit` should do.
    """

    def __init__(self, metadata: MetaData, producer: str, name: str = "balance_job_outbox") -> None:
        self._producer = producer
        self.table = Table(
            name,
            metadata,
            # SQLite counts by itself only in a column of this very type.
            Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
            Column("job", Text, nullable=False),
            Column("arguments", Text, nullable=False),  # JSON; decimals are strings in it
            Column("account", Text),  # wallet:w_1, for the partition; null when it is not known
            Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        )

    def add(self, connection: Connection | Session, job: JobSpec) -> None:
        """Writes a job in the caller's transaction: a contract's instance, or (name, keyword arguments).

        Raises InvalidJob for what the worker would refuse without looking at a balance; nothing is written then.
        """
        message = job_message(job, self._producer, want_result=False)
        row = {"job": message.name, "arguments": json.dumps(dict(message.kwargs)), "account": message.account}
        connection.execute(insert(self.table).values(row))

    def relay(self, engine: Engine, client: BalanceClient, *, limit: int = 500) -> int:
        """Publishes the oldest jobs, at most `limit`, in the order in which they were added. Returns how many.

        Their rows are locked meanwhile and deleted once the broker has confirmed all of them. A relay that dies or
        raises (PublishFailed, or an error of the database) in between leaves the rows: they are published again, which
        the key makes harmless. Several relays may run, each takes rows that no other holds; the order is kept by one.
        """
        if not 1 <= limit <= CHUNK_MAX:
            raise ValueError(f"limit is {limit}; allowed is 1 to {CHUNK_MAX}")
        oldest = select(self.table).order_by(self.table.c.id).limit(limit).with_for_update(skip_locked=True)
        with engine.begin() as connection:
            rows = connection.execute(oldest).all()
            if rows:
                client.publish([_message(row.job, row.arguments, row.account) for row in rows])
                connection.execute(delete(self.table).where(self.table.c.id.in_([row.id for row in rows])))
        return len(rows)

    def relay_until(
        self, stopping: Event, engine: Engine, client: BalanceClient, *, limit: int = 500, pause_s: float = 0.5
    ) -> None:
        """Relays until `stopping` is set, looking again `pause_s` after it found nothing more.

        A broker or a database that is away is logged as a warning and waited for; any other error is raised.
        """
        while not stopping.is_set():
            try:
                published = self.relay(engine, client, limit=limit)
            except (PublishFailed, OperationalError, InterfaceError) as error:
                _LOG.warning("%s: nothing was removed, trying again in %s s: %s", self.table.name, pause_s, error)
                published = 0
            if published < limit:
                stopping.wait(pause_s)


def _message(job: str, arguments: str, account: str | None) -> JobMessage:
    """A message of a job that was valid when it was added: whether it still is, the worker says, with an answer."""
    kwargs: dict[str, Any] = json.loads(arguments)
    return JobMessage(
        name=job,
        producer=kwargs.get("producer", DEFAULT_PRODUCER),
        idempotency_key=kwargs["idempotency_key"],
        task_id=str(uuid4()),  # each message has its own, also one that repeats a job
        kwargs=kwargs,
        want_result=False,
        account=account,
    )
