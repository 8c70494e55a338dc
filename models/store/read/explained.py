"""Every grant and every hold that there ever was in a wallet, as its entries make it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.credits.grants import Grant, GrantState, WrongUnits
from models.domain.credits.holds import Hold
from models.domain.jobs.wallets import origin
from models.domain.ledger import Entry
from models.store.read.credits import Credits
from models.store.write import entries

_MADE: Final = text(f"""
    select {entries.COLUMNS} from entries e join accounts a on a.id = e.account_id
    where e.account_id = :account_id and e.grant_id is not null and e.kind = 'credit'
""")  # noqa: S608 - our own column list


@dataclass(frozen=True, slots=True)
class ExplainedGrant:
    """A grant by the rules, where it comes from, and what its row says instead.

    Of a grant whose entry is gone `origin` and `job_id` are None.
    """

    grant: Grant  # as its entries make it; as its row has it where no entry makes it
    state: GrantState
    origin: Literal["purchased", "free"] | None
    job_id: UUID | None  # which made it
    bonus: bool  # it came beside the top-up of its job
    wrong: tuple[WrongUnits, ...]  # where its row says something else


@dataclass(frozen=True, slots=True)
class ExplainedHold:
    """A hold as time has made it: one that has run out reserves nothing, whether or not the sweep has run."""

    hold: Hold
    row_is_wrong: bool  # it is not what the entries make of it


def every_grant(connection: Connection, account_id: int, credits: Credits, at: datetime) -> tuple[ExplainedGrant, ...]:
    """All of a wallet's grants, the oldest first. `credits`: the wallet with all its entries applied."""
    made = _made(connection, account_id)
    return tuple(
        _explained(row, credits.replay.grants.get(grant_id, row), made.get(grant_id), at)
        for grant_id, row in credits.grants.items()
    )


def every_hold(credits: Credits, at: datetime) -> tuple[ExplainedHold, ...]:
    """All of a wallet's holds, the oldest first. `credits`: the wallet with all its entries applied."""
    wrong = credits.wrong_holds()
    return tuple(ExplainedHold(hold.by_time(at), hold.id in wrong) for hold in credits.holds.values())


def _explained(row: Grant, right: Grant, made: Entry | None, at: datetime) -> ExplainedGrant:
    wrong, state = row.units.differing(right.units), right.state(at)
    if made is None:
        return ExplainedGrant(right, state, None, None, False, wrong)
    return ExplainedGrant(right, state, origin(made.details), made.details.job_id, bool(made.details.part), wrong)


def _made(connection: Connection, account_id: int) -> dict[UUID, Entry]:
    """The entry that made each grant, by the grant."""
    made = [entries.from_row(dict(row)) for row in connection.execute(_MADE, {"account_id": account_id}).mappings()]
    return {entry.details.grant_id: entry for entry in made if entry.details.grant_id is not None}
