"""`python -m benchmarks.bound PART`: applies the jobs of one part of the accounts until it is ended."""

from __future__ import annotations

import gc
import os
import sys

import uvloop

from benchmarks.bound.ledger import Ledger
from benchmarks.bound.stream import Stream, stream_of


async def work(part: int) -> None:
    ledger = await Ledger.open(os.environ["BOUND_DATABASE_URL"])
    name = stream_of(os.environ["BOUND_QUEUE"], part)
    await Stream(os.environ["BOUND_BROKER_URL"], name, int(os.environ["BOUND_BATCH"])).consume(ledger.settle)


if __name__ == "__main__":
    gc.freeze()  # what was imported is not looked through again
    uvloop.run(work(int(sys.argv[1])))
