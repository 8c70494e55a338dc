"""ledger.anchor: what beat has written of the ledger, to the place that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Engine

from models.domain.errors import Fault
from models.store.audit import anchors as store
from models.store.connection.session import snapshot
from worker.anchors.faults import AnchorFault
from worker.settings.settings import Settings

_LOG: Final = structlog.get_logger(__name__)


def _due(engine: Engine, every_s: float) -> bool:
    """Whether the last anchor is old enough: whoever reaches the broker can send ticks, and each reads all accounts."""
    with snapshot(engine) as connection:
        last, at = store.last(connection), store.clock(connection)
    return last is None or at - last[2] >= every_s * 1000 / 2


def anchor_tick(engine: Engine, settings: Settings) -> int:
    """Writes an anchor. What keeps it from being written is said, and the next tick tries again. Returns 1 or 0."""
    if settings.anchor_place is None or settings.anchor_key is None:
        return 0  # a tick of somebody else's: this worker has no place
    from worker.anchors.keys import Signer  # neither is needed where there are no anchors
    from worker.anchors.places import place_of
    from worker.anchors.writing import take

    try:
        if not _due(engine, settings.anchor_every_s):
            return 0
        place, signer = place_of(settings.anchor_place), Signer(Path(settings.anchor_key))
        written = take(engine, place, signer, files=settings.anchor_files)
    except (AnchorFault, Fault) as fault:
        _LOG.error(
            "anchor.not_written", error=str(fault), place=settings.anchor_place,
            next=f"{fault.next_step}; the next tick tries again",
        )  # fmt: skip
        return 0
    _LOG.info("anchor.written", sequence=written.sequence, accounts=written.accounts, jobs=written.jobs.count)
    return 1
