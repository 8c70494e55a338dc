"""The peer, as a contender."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from pgqueuer import Queries
from pgqueuer.db import AsyncpgPoolDriver
from sqlalchemy import Engine, text

from benchmarks.broker import Broker
from benchmarks.contender import Incoherent
from benchmarks.movement import Movement
from benchmarks.population import wallet_id
from benchmarks.servers import driver_url, engine_of

_AT_ONCE: Final = 1_000  # jobs published in one statement
_TABLES: Final = Path(__file__).with_name("tables.sql")
_COMMITTED: Final = text("""
    select job_key, extract(epoch from pg_xact_commit_timestamp(xmin)) as at from entries where id > :mark
""")
_CHECKS: Final = text("""
    with run as (
        select balance_after, sum(amount) over (partition by account_id order by id) as sum from entries
    ),
    ends as (
        select a.balance, coalesce((select sum(amount) from entries e where e.account_id = a.id), 0) as sum
        from accounts a
    )
    select (select count(*) from jobs) as jobs, (select count(*) from entries) as entries,
           (select count(*) from outbox) as events, (select count(*) from run where balance_after <> sum)
           + (select count(*) from ends where balance <> sum) as wrong
""")


class Peer:
    """pgqueuer: one process of asyncio with 16 connections. PostgreSQL is its queue as well."""

    name = "peer"

    def create(self, url: str) -> None:
        with engine_of(url) as engine, engine.begin() as connection:
            connection.exec_driver_sql(_TABLES.read_text())
        asyncio.run(_install(driver_url(url)))

    def populate(self, engine: Engine, accounts: int) -> None:
        with engine.begin() as connection:
            refs = [wallet_id(number) for number in range(1, accounts + 1)]
            connection.execute(text("insert into accounts (ref) select unnest(cast(:refs as text[]))"), {"refs": refs})

    def publish(self, broker: Broker, database_url: str, messages: Sequence[Movement]) -> None:
        asyncio.run(_publish(driver_url(database_url), broker.queue, messages))

    def commands(self, processes: int, *, events: bool, queue: str) -> list[list[str]]:
        return [[sys.executable, "-m", "benchmarks.peer.app"] for _ in range(processes)]

    def environment(self, broker_url: str, database_url: str, queue: str) -> Mapping[str, str]:
        return {"PEER_DATABASE_URL": driver_url(database_url), "PEER_QUEUE": queue}

    def mark(self, engine: Engine) -> int:
        with engine.connect() as connection:
            return int(connection.execute(text("select coalesce(max(id), 0) from entries")).scalar_one())

    def applied(self, engine: Engine, mark: Any) -> int:
        with engine.connect() as connection:
            query = text("select count(*) from entries where id > :mark")
            return int(connection.execute(query, {"mark": mark}).scalar_one())

    def unfinished(self, broker: Broker, engine: Engine) -> int:
        with engine.connect() as connection:
            return int(connection.execute(text("select count(*) from pgqueuer")).scalar_one())

    def committed_at(self, engine: Engine, mark: Any) -> dict[str, float]:
        with engine.connect() as connection:
            return {row.job_key: float(row.at) for row in connection.execute(_COMMITTED, {"mark": mark})}

    def total(self, engine: Engine) -> int:
        with engine.connect() as connection:
            return int(connection.execute(text("select coalesce(sum(balance), 0) from accounts")).scalar_one())

    def check(self, engine: Engine, mark: Any, *, whole: bool) -> int:
        with engine.connect() as connection:
            found = connection.execute(_CHECKS).one()
        if not found.jobs == found.entries == found.events:
            raise Incoherent(f"{found.jobs} jobs wrote {found.entries} entries and {found.events} events")
        if found.wrong:
            raise Incoherent(f"{found.wrong} balances of the peer are not the sum of the entries until then")
        return int(found.entries)


async def _install(url: str) -> None:
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        await Queries(AsyncpgPoolDriver(pool)).install()


async def _publish(url: str, queue: str, messages: Sequence[Movement]) -> None:
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        for start in range(0, len(messages), _AT_ONCE):
            some = messages[start : start + _AT_ONCE]
            payloads = [msgspec.json.encode(_arguments(message)) for message in some]
            await queries.enqueue([queue] * len(some), list(payloads), [0] * len(some))


def _arguments(message: Movement) -> dict[str, Any]:
    return {"key": message.key, "wallet": wallet_id(message.account), "amount": message.amount}
