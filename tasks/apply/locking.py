"""The accounts of a batch locked, and all that deciding it takes read: steps 3 and 4 of the path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection

from models.batch.named import Named, named_by
from models.batch.working_set import WorkingSet, grants_named, holds_named
from models.domain.accounts import Account, AccountKey, Kind, User
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Original
from models.domain.errors import KeyRace
from models.domain.outcome import Refusal
from models.store.write import accounts, entries, profiles
from models.store.write.events import endpoints
from models.store.write.shards import telegram_ids
from models.store.write.top_ups import charges
from tasks.apply.claiming import Claimed

_NO_ENTRIES: Mapping[UUID, Original] = {}
_NO_CHARGES: Mapping[UUID, tuple[int, UUID | None]] = {}


def lock_uncontended(
    connection: Connection, jobs: Sequence[Job]
) -> tuple[list[accounts.Locked], set[AccountKey]] | None:
    """What `load_working_set` locks, without waiting: (locked rows, accounts that another transaction holds).

    None when waiting is the better way: when a job names its account otherwise than by its key, so that which one it
    is can only be known under the lock, or when another transaction holds all there is to lock.
    """
    targets = [job.command.target for job in jobs if not isinstance(job.command, Refusal)]
    keys = [target for target in targets if isinstance(target, AccountKey)]
    if len(keys) < len(targets):
        return None
    locked, held = accounts.lock_uncontended(connection, keys)
    return (locked, held) if locked or not held else None


def load_working_set(
    connection: Connection, jobs: Sequence[Job], locked: Sequence[accounts.Locked] | None, claimed: Claimed
) -> WorkingSet:
    """Locks what the jobs are about, unless it is, and reads all that deciding them takes.

    The number of statements is constant.
    """
    named = named_by(jobs)
    charged = charges.whose(connection, named.charges) if named.charges else _NO_CHARGES
    job_ids = named.jobs | {credited_by for _, credited_by in charged.values() if credited_by is not None}
    originals = entries.of_jobs(connection, job_ids) if job_ids else _NO_ENTRIES

    if locked is None:
        locked = accounts.lock(
            connection,
            named.accounts,
            named.telegram_ids,
            [
                *(original.entries[0].account_id for original in originals.values()),
                *(account_id for account_id, _ in charged.values()),
            ],
        )
    read = accounts.read(connection, locked, grants_named(named.wanted, originals), holds_named(originals))
    missing = named.missing(AccountKey(Kind(row.kind), row.ref) for row in locked)
    written = [entry for original in originals.values() for entry in original.entries]
    open_of = [account.id for account in read if account.key in named.given_up]
    found = charges.lock(connection, named.charges, open_of) if named.charges or open_of else {}
    for charge_id, (_, credited_by) in charged.items():
        if found[charge_id].credited_by != credited_by:
            raise KeyRace(f"charge {charge_id} was credited while this batch waited for its locks")
    return WorkingSet(
        read,
        originals,
        entries.reversed_of(connection, written) if written else {},
        _telegram_owners(connection, read, named, claimed),
        dict(zip(missing, accounts.next_ids(connection, len(missing)), strict=True)),
        found,
        endpoints.lock(connection, named.endpoints) if named.endpoints else {},
    )


def _telegram_owners(
    connection: Connection, read: Sequence[Account], named: Named, claimed: Claimed
) -> dict[int, AccountKey]:
    """Who has which telegram id: from the locked users, and for ids that none of them has, from everybody."""
    if terms := {each: claimed.telegram_terms[each] for each in named.given if each in claimed.telegram_terms}:
        telegram_ids.hold(connection, terms)
    owners = {
        account.profile.telegram_id: account.key
        for account in read
        if isinstance(account.profile, User) and account.profile.telegram_id is not None
    }
    elsewhere = profiles.telegram_owners(connection, sorted((named.given | named.telegram_ids) - set(owners)))
    if moved := named.telegram_ids & set(elsewhere):
        # Nobody answers "not found" for a user who is there, only not locked.
        raise KeyRace(f"telegram ids {sorted(moved)} went to another user while this batch waited for its locks")
    return {**claimed.telegram_owners, **elsewhere, **owners}
