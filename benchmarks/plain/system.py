"""The plain worker, as a contender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from celery import Celery
from kombu import Exchange, Queue
from sqlalchemy import Engine, create_engine, text

from balance_client.routing import queue_arguments
from benchmarks.broker import Broker
from benchmarks.contender import Incoherent, Publisher, celery
from benchmarks.movement import Movement
from benchmarks.plain.tables import Base

_TASKS: Final = {"user": "plain.update_balance", "wallet": "plain.top_up", "app": "plain.set_balance"}
_CHUNK: Final = 500  # messages sent in one round trip

_POPULATE: Final = text("""
    insert into accounts (kind, number, balance)
    select kind, number, 0 from unnest(array['user', 'wallet', 'app']) as kind, generate_series(1, :accounts) as number
""")
_COMMITTED: Final = text("""
    select key, extract(epoch from pg_xact_commit_timestamp(xmin)) as at
    from processed_jobs where not key = any(cast(:mark as text[]))
""")
_WRONG: Final = text("""
    select count(*) from (
        select a.id, a.balance, coalesce(sum(e.amount), 0) as entries
        from accounts a left join entries e on e.account_id = a.id group by a.id
    ) as checked where balance <> entries
""")


class Plain:
    """One Celery worker with the prefork pool of Celery's own: `processes` children."""

    name = "plain"

    def create(self, url: str) -> None:
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        engine.dispose()

    def populate(self, engine: Engine, accounts: int) -> None:
        with engine.begin() as connection:
            connection.execute(_POPULATE, {"accounts": accounts})

    def publish(self, broker: Broker, database_url: str, messages: Sequence[Movement]) -> None:
        with _Publisher(broker.url, broker.queue) as publisher:
            publisher.publish_all(messages)

    def publisher(self, broker_url: str, queue: str) -> Publisher:
        return _Publisher(broker_url, queue)

    def commands(self, processes: int, *, events: bool, queue: str) -> list[list[str]]:
        # Gossip and mingle are for workers that know each other.
        quiet = ("--without-gossip", "--without-mingle", *(("--task-events",) if events else ()))
        return [celery("benchmarks.plain.app", queue, "plain", "--concurrency", str(processes), *quiet)]

    def environment(self, broker_url: str, database_url: str, queue: str) -> Mapping[str, str]:
        return {"PLAIN_BROKER_URL": broker_url, "PLAIN_DATABASE_URL": database_url, "PLAIN_QUEUE": queue}

    def mark(self, engine: Engine) -> Any:
        with engine.connect() as connection:
            return list(connection.execute(text("select key from processed_jobs")).scalars())

    def applied(self, engine: Engine, mark: Any) -> int:
        with engine.connect() as connection:
            return int(connection.execute(text("select count(*) from processed_jobs")).scalar_one()) - len(mark)

    def unfinished(self, broker: Broker, engine: Engine) -> int:
        return broker.length()

    def committed_at(self, engine: Engine, mark: Any) -> dict[str, float]:
        with engine.connect() as connection:
            return {row.key: float(row.at) for row in connection.execute(_COMMITTED, {"mark": mark})}

    def total(self, engine: Engine) -> int:
        with engine.connect() as connection:
            query = text("select coalesce(sum(balance), 0) from accounts where kind in ('user', 'wallet')")
            return int(connection.execute(query).scalar_one())

    def check(self, engine: Engine, mark: Any, *, whole: bool) -> int:
        with engine.connect() as connection:
            if wrong := int(connection.execute(_WRONG).scalar_one()):
                raise Incoherent(f"{wrong} accounts differ from the sum of their entries")
            entries = int(connection.execute(text("select count(*) from entries")).scalar_one())
            jobs = int(connection.execute(text("select count(*) from processed_jobs")).scalar_one())
        if entries != jobs:
            raise Incoherent(f"{jobs} jobs wrote {entries} entries")
        return entries


class _Publisher:
    """A Celery client that knows the tasks by their names."""

    def __init__(self, broker_url: str, queue: str) -> None:
        self._app = Celery(broker=broker_url, set_as_current=False)
        arguments = queue_arguments(broker_url)
        self._app.conf.task_queues = [Queue(queue, Exchange(""), routing_key=queue, queue_arguments=arguments)]
        self._queue = queue
        self._connection = self._app.connection_for_write()
        self._producer: Any = self._app.amqp.Producer(self._connection)  # its stubs know no batch() yet

    def __enter__(self) -> _Publisher:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def publish_all(self, messages: Sequence[Movement]) -> None:
        with self._producer.batch(max_size=_CHUNK):
            for message in messages:
                self.publish(message)

    def publish(self, message: Movement) -> None:
        self._app.send_task(
            _TASKS[message.kind],
            kwargs={"key": message.key, "account": message.account, "amount": message.amount},
            queue=self._queue,
            producer=self._producer,
            ignore_result=True,
        )

    def close(self) -> None:
        self._connection.release()
        self._app.close()
