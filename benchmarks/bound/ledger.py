"""The ledger's tables: what a batch locks and looks up, and what it adds, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Final

import asyncpg

from benchmarks.bound import batch
from benchmarks.bound.batch import Batch
from benchmarks.bound.chain import ids
from benchmarks.bound.job import TopUp, decode
from benchmarks.bound.table import Table
from benchmarks.bound.wallet import Wallet

# In the order of ids, as everybody locks accounts.
_LOCK: Final = """
    select a.id, a.ref, a.scale, a.balance, a.seq, a.head, a.created_at, a.granted, a.held, a.has_policy, a.low_at,
           w.status, w.conversion_rate, w.currency, cast(w.config as text) as config,
           cast(w.metadata as text) as metadata, w.name, w.description, w.wallet_type, w.customer_id
    from accounts a join wallets w on w.account_id = a.id
    where a.kind = 'wallet' and a.ref = any(cast($1 as text[]))
    order by a.id for update of a
"""
_FIND: Final = """
    select clock_timestamp() as now, null as producer, null as key
    union all
    select null, j.producer, j.idempotency_key
    from unnest(cast($1 as text[]), cast($2 as text[])) as wanted (producer, key)
    join jobs j on j.producer = wanted.producer and j.idempotency_key = wanted.key
"""
_SAVE: Final = """
    update accounts a set balance = n.balance, seq = n.seq, head = n.head, updated_at = $5
    from unnest(cast($1 as bigint[]), cast($2 as bigint[]), cast($3 as bigint[]), cast($4 as bytea[]))
        as n (id, balance, seq, head)
    where a.id = n.id
"""
_BY_KEY: Final = itemgetter(1, 2)
# What is planned while a table is small would read all of it, for as long as the session lasts.
_SETTINGS: Final = {"application_name": "bound", "enable_seqscan": "off", "timezone": "UTC"}


class Ledger:
    """A session, and the tables that it adds to."""

    def __init__(
        self, connection: asyncpg.Connection, jobs: Table, bodies: Table, entries: Table, outbox: Table
    ) -> None:
        self._connection = connection
        self._jobs = jobs
        self._bodies = bodies
        self._entries = entries
        self._outbox = outbox

    @classmethod
    async def open(cls, url: str) -> Ledger:
        """Raises ValueError when a table needs what the bound does not write."""
        connection = await asyncpg.connect(url, server_settings=_SETTINGS)
        return cls(
            connection,
            await Table.read(connection, "jobs", batch.JOBS),
            await Table.read(connection, "job_bodies", batch.BODIES),
            await Table.read(connection, "entries", batch.ENTRIES),
            await Table.read(connection, "outbox", batch.OUTBOX),
        )

    async def settle(self, bodies: Sequence[bytes]) -> None:
        """Applies a batch. A key that was there before is left out: nobody waits for an answer."""
        asked: dict[tuple[str, str], TopUp] = {}
        for job in map(decode, bodies):
            asked.setdefault((job.producer, job.idempotency_key), job)
        async with self._connection.transaction():
            refs = list({job.wallet_id for job in asked.values()})
            wallets = {row["ref"]: Wallet(row) for row in await self._connection.fetch(_LOCK, refs)}
            clock, *found = await self._connection.fetch(_FIND, *map(list, zip(*asked, strict=True)))
            for row in found:
                del asked[row["producer"], row["key"]]
            made = Batch(wallets, clock["now"])
            for job, job_id in zip(asked.values(), ids(clock["now"], len(asked)), strict=True):
                made.apply(job, job_id)
            if asked:
                await self._write(made, wallets.values(), clock["now"])

    async def _write(self, made: Batch, wallets: Iterable[Wallet], now: datetime) -> None:
        made.jobs.sort(key=_BY_KEY)  # as everybody does: two batches with the same keys wait and do not deadlock
        await self._jobs.add(self._connection, made.jobs)
        await self._bodies.add(self._connection, made.bodies)
        await self._entries.add(self._connection, made.entries)
        await self._outbox.add(self._connection, made.events)
        moved = [(wallet.number, wallet.balance, wallet.seq, wallet.head) for wallet in wallets if wallet.moved]
        await self._connection.execute(_SAVE, *map(list, zip(*moved, strict=True)), now)
