"""What jobs that may charge need to know beyond their accounts: the switch, and what counts towards caps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from models.batch.caps import capped_months, may_charge
from models.batch.working_set import WorkingSet
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Charging
from models.domain.outcome import Refusal
from models.store.write.top_ups import charges, switches


def load_charging(
    connection: Connection, jobs: Sequence[Job], working_set: WorkingSet, now: datetime, *, on: bool
) -> Charging | None:
    """None when no job may charge. `on`: by the settings."""
    wanted = [job.command for job in jobs if not isinstance(job.command, Refusal)]
    if not may_charge(wanted):
        return None
    if capped := capped_months(wanted, working_set, now):
        working_set.charged.update(charges.counted(connection, capped))
    paused = not on or not switches.is_on(connection, switches.CHARGING)
    return Charging(paused, working_set.charged, working_set.charges)
