"""What taking back the entry of a job would do: decided as a worker would decide it now, and written nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.batch.working_set import grants_named, holds_named
from models.domain.accounts import Account
from models.domain.credits.levels import Levels, levels
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Decision, DecisionContext, Limits, Original
from models.domain.jobs.decide import decide
from models.domain.ledger import Entry
from models.domain.outcome import Refusal
from models.store.read.accounts import now
from models.store.write import accounts, entries

_ACCOUNT: Final = text(f"select {accounts.COLUMNS} from accounts where id = :id")  # noqa: S608 - our own column list


@dataclass(frozen=True, slots=True)
class Undo:
    """A job's entries, and what came of taking them back."""

    original: Original
    account: Account  # as it is
    at: datetime
    levels: Levels
    taken: Mapping[int, int]  # units that were taken back before, by the number of the entry
    decision: Decision | Refusal

    @property
    def written(self) -> tuple[Entry, ...]:
        """The entries that would be written."""
        if isinstance(self.decision, Refusal):
            return ()
        return tuple(each for each in (self.decision.entry, self.decision.bonus) if each is not None)

    @property
    def afterwards(self) -> Levels | None:
        """What would be in the account; None where it would be refused."""
        return None if isinstance(self.decision, Refusal) else levels(self.decision.account, self.at)


def original_of(connection: Connection, job_id: UUID) -> Original | None:
    """A job with its entries; None when it wrote none."""
    return entries.of_jobs(connection, [job_id]).get(job_id)


def account_of(connection: Connection, job_id: UUID, original: Original) -> Account:
    """The account that it wrote them on, with the grants and holds that the entries name, open or not."""
    row = connection.execute(_ACCOUNT, {"id": original.entries[0].account_id}).one()
    originals = {job_id: original}
    [found] = accounts.read(connection, [row], grants_named((), originals), holds_named(originals))
    return found


def undo(connection: Connection, job_id: UUID, original: Original, account: Account, job: Job, limits: Limits) -> Undo:
    """What `job`, which asks to take back what job `job_id` wrote, would come to."""
    at, taken = now(connection), entries.reversed_of(connection, original.entries)
    context = DecisionContext(now=at, limits=limits, originals={job_id: original}, reversed=taken)
    decision = decide(job, account, context)
    by_number = {seq: units for (_, seq), units in taken.items()}
    return Undo(original, account, at, levels(account, at), by_number, decision)
