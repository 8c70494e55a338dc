"""THE PATH: jobs are applied one at a time, in order; only the commit is shared.

    step                                                     where                    if it dies here, redelivery
    1  the message comes in                                  worker/consuming         finds nothing done
    2  it is understood, or refused at its turn              contracts/wire/message   finds nothing done
       of a ledger in shards: keys are claimed               apply/claiming           the claim is the job's own
    3  accounts are locked, ids sorted                       store/write/accounts     the lock went with the connection
    4  keys that have been answered are found                store/write/jobs         nothing was written
    5  each job is decided, in order, in memory, purely      domain/jobs/decide       nothing was written
    6  jobs with answers, entries, balances, events, records store/write              all rolled back together
    7  one commit                                            connection/session       before: as above; after: 4 replays
    8  the answers go out, the messages are acknowledged     worker/consuming         replayed, acknowledged

Looking keys up under the account locks, instead of claiming them first, writes each job row once, complete. One new key
used in two transactions at once is caught by its unique constraint: KeyRace, and the later one runs again and replays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, Final

from sqlalchemy import Connection, Engine

from models.batch.outcome import StoredOutcome
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import DecisionContext, Limits
from models.domain.outcome import Refusal
from models.store.connection.session import last_round_trip, transaction, wait_as_for_a_write
from models.store.write import accounts
from models.store.write import jobs as store
from models.store.write import journals as records
from tasks.apply.caps import load_charging
from tasks.apply.claiming import Claimed, claim
from tasks.apply.locking import load_working_set, lock_uncontended
from tasks.apply.unit_of_work import UnitOfWork

_NOTHING: Final = Claimed()


def apply(engine: Engine, jobs: Sequence[Job], limits: Limits) -> list[StoredOutcome]:
    """Settles the jobs in one transaction and answers each, in their order.

    A refusal is an answer and disturbs no neighbour. A fault raises and takes everything back: TransientFault when the
    same jobs may succeed later, anything else when one of them is at fault.
    """
    return _with_own_keys(engine, jobs, limits, _apply)


def apply_uncontended(engine: Engine, jobs: Sequence[Job], limits: Limits) -> list[StoredOutcome | None]:
    """`apply` for the jobs whose accounts no other transaction holds at this moment; None for the others.

    Two workers that take a batch each from one queue are rarely after the same few accounts, and nearly always after
    one: without this, each would wait for the other's whole batch. All jobs of an account that is held are left out,
    so that they stay in their order.
    """
    return _with_own_keys(engine, jobs, limits, _apply_uncontended)


def _with_own_keys(
    engine: Engine,
    jobs: Sequence[Job],
    limits: Limits,
    settle: Callable[[Engine, Sequence[Job], Limits, Claimed], list[Any]],
) -> list[Any]:
    """`settle` for the jobs whose keys are this shard's to use; the others are answered by what theirs stand for."""
    if limits.shard is None:
        return settle(engine, jobs, limits, _NOTHING)
    claimed = claim(engine, jobs, limits.shard)
    answered = claimed.answered
    rest = [job for place, job in enumerate(jobs) if place not in answered]
    outcomes = iter(settle(engine, rest, limits, claimed) if rest else ())
    return [answered[place] if place in answered else next(outcomes) for place in range(len(jobs))]


def _apply(engine: Engine, jobs: Sequence[Job], limits: Limits, claimed: Claimed) -> list[StoredOutcome]:
    with transaction(engine) as connection:
        return _write(connection, decide_jobs(connection, jobs, limits, claimed=claimed))


def _apply_uncontended(
    engine: Engine, jobs: Sequence[Job], limits: Limits, claimed: Claimed
) -> list[StoredOutcome | None]:
    with transaction(engine) as connection:
        free = lock_uncontended(connection, jobs)
        if free is None:
            return [*_write(connection, decide_jobs(connection, jobs, limits, claimed=claimed))]
        locked, held = free
        ready = [isinstance(job.command, Refusal) or job.command.target not in held for job in jobs]
        unit = decide_jobs(connection, [*compress(jobs, ready)], limits, locked, claimed)
        outcomes = iter(_write(connection, unit))
    return [next(outcomes) if one_is_ready else None for one_is_ready in ready]


def decide_jobs(
    connection: Connection,
    jobs: Sequence[Job],
    limits: Limits,
    locked: Sequence[accounts.Locked] | None = None,
    claimed: Claimed = _NOTHING,
) -> UnitOfWork:
    """Steps 3 to 5: what is to be written, with nothing written yet. `locked`: the accounts, when they are already."""
    working_set = load_working_set(connection, jobs, locked, claimed)
    now, answered = store.find(connection, jobs)
    # The working set's own mappings: what one job of the batch changes, the next one knows.
    context = DecisionContext(
        now, limits, working_set.new_ids, working_set.telegram_owners, working_set.originals, working_set.reversed,
        load_charging(connection, jobs, working_set, now, on=limits.charging),
    )  # fmt: skip
    unit = UnitOfWork(working_set, context, answered)
    unit.outcomes = [unit.answer(job) for job in jobs]
    return unit


def _write(connection: Connection, unit: UnitOfWork) -> list[StoredOutcome]:
    """Step 6; the commit, step 7, rides along with its last statement."""
    journal = records.take(connection) if unit.recorded else None
    with last_round_trip(connection):
        if unit.settled:
            unit.write(connection, journal)
        elif unit.outcomes:
            wait_as_for_a_write(connection)
    return unit.outcomes
