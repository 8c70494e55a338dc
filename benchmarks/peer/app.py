"""The peer's program: `python -m benchmarks.peer.app`. One call of a SQL function, one commit, for each job."""

from __future__ import annotations

import asyncio
import os
from typing import Final

import asyncpg
import msgspec
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job

_CONNECTIONS: Final = 16
_AT_ONCE: Final = 100  # jobs taken in one query
_top_up: Final = "select top_up($1, $2, $3)"


async def work(database_url: str, queue: str) -> None:
    """Takes jobs until it is ended."""
    async with asyncpg.create_pool(database_url, min_size=_CONNECTIONS, max_size=_CONNECTIONS) as pool:
        program = PgQueuer(AsyncpgPoolDriver(pool))

        @program.entrypoint(queue)
        async def top_up(job: Job) -> None:
            said = msgspec.json.decode(job.payload or b"")
            await pool.fetchval(_top_up, said["key"], said["wallet"], said["amount"])

        await program.run(batch_size=_AT_ONCE)


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(work(os.environ["PEER_DATABASE_URL"], os.environ["PEER_QUEUE"]))
