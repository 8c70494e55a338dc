"""The role that pages in Flower read as: what it has not, and what it could do beyond."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from models.store.connection.session import snapshot
from models.store.server.privileges import READERS, beyond, missing
from worker.database import reading_engine
from worker.database_trouble import database_trouble
from worker.doctor.finding import Finding, failure, ok, warning
from worker.settings.settings import Settings

_CHECK: Final = "flower.reading"
_VARIABLE: Final = "BALANCE_FLOWER_DATABASE_URL"


def examine_reading(settings: Settings) -> Iterator[Finding]:
    """Looks as that role, where there is one, and changes nothing."""
    url = settings.flower_database_url
    if url is None:
        return
    engine = reading_engine(settings)
    try:
        with snapshot(engine) as connection:
            lacks, more = missing(connection, READERS), beyond(connection, READERS)
    except Exception as error:
        trouble = database_trouble(error, lambda: url, _VARIABLE)
        if trouble is None:
            raise
        yield failure(_CHECK, trouble, "Pages in Flower say so and show nothing; jobs are not concerned.", "see there")
        return
    finally:
        engine.dispose()
    if lacks:
        yield failure(
            _CHECK, f"missing: {', '.join(lacks)}", "Pages in Flower that need them say so and show nothing.",
            "grant them: `balance-worker grants --reading` says how",
        )  # fmt: skip
    elif more:
        yield warning(
            _CHECK, f"this role {'; '.join(more)}", "Whoever gets into Flower's process can do that to the ledger.",
            "let pages read as a role of their own, with what `balance-worker grants --reading` grants and no more",
        )  # fmt: skip
    else:
        yield ok(_CHECK, "what reading needs, and no more")
