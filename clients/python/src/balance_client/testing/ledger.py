"""What the tables of a worker hold, in memory: read for a batch as they are read, and kept as they are written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any, Final
from uuid import UUID

from models.batch.caps import capped_months, may_charge
from models.batch.decided import DecidedBatch
from models.batch.named import Named, named_by
from models.batch.records import Identity, SettledJob, StoredJob, Told
from models.batch.working_set import WorkingSet, grants_named, holds_named
from models.domain.accounts import Account, AccountKey, User, Wallet
from models.domain.auto_topup.calendar import Month
from models.domain.charging.charges import COUNTED, OPEN, Charge
from models.domain.credits.grants import Grant
from models.domain.credits.holds import Hold
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Charging, DecisionContext, Limits, Original
from models.domain.idempotency import noted
from models.domain.ledger import Entry
from models.domain.money import UNITS_MAX
from models.domain.sharding.buckets import BITS
from models.domain.webhooks.endpoints import Endpoint

_AN_ID: Final = 1 << BITS  # between the ids of two jobs: below that an id says where its account is


class Ledger:
    """One database of a worker. Everything in it stands under the ids by which the tables know it."""

    def __init__(self) -> None:
        self.accounts: dict[AccountKey, Account] = {}  # without their grants and holds
        self.keys: dict[int, AccountKey] = {}
        self.telegram_owners: dict[int, AccountKey] = {}
        self.grants: dict[int, dict[UUID, Grant]] = {}  # by their account's id, as the next
        self.holds: dict[int, dict[UUID, Hold]] = {}
        self.charges: dict[UUID, Charge] = {}
        self.endpoints: dict[UUID, Endpoint] = {}
        self.settled: dict[UUID, SettledJob] = {}  # in their order
        self.answered: dict[Identity, StoredJob] = {}
        self.entries: list[Entry] = []
        self.told: list[Told] = []
        self._of_jobs: dict[UUID, tuple[Entry, ...]] = {}
        self._taken_back: dict[tuple[int, int], int] = {}  # units, by (account id, seq)
        self._numbers = count(1)
        self._ids = 0

    def decide(self, jobs: Sequence[Job], now: datetime, limits: Limits, *, paused: bool) -> DecidedBatch:
        """The jobs decided, and nothing kept of it yet. `paused`: no charge is made."""
        named = named_by(jobs)
        working_set = self._read(named)
        charging = None
        if may_charge(named.wanted):
            working_set.charged.update(self._counted(capped_months(named.wanted, working_set, now)))
            charging = Charging(paused or not limits.charging, working_set.charged, working_set.charges)
        context = DecisionContext(
            now, limits, working_set.new_ids, working_set.telegram_owners, working_set.originals, working_set.reversed,
            charging,
        )  # fmt: skip
        known = {identity: self.answered.get(identity) for identity in {(job.producer, job.key) for job in jobs}}
        batch = DecidedBatch(
            working_set,
            context,
            {identity: stored for identity, stored in known.items() if stored is not None},
            random=self._ids,  # the same ids for the same test
        )
        self._ids += _AN_ID * len(jobs)
        batch.outcomes = [batch.answer(job) for job in jobs]
        return batch

    def keep(self, batch: DecidedBatch) -> None:
        """What a transaction would write."""
        working_set = batch.working_set
        profiles = working_set.changed_profiles()
        self._keep_telegram_ids(profiles)
        changed = {account.key: account for account in [*working_set.created(), *working_set.changed()]}
        changed |= {account.key: _as_tables_keep_it(account) for account in profiles}
        for key, account in changed.items():
            head = batch.heads.get(account.id, account.head)
            self.keys[account.id] = key
            self.accounts[key] = replace(account, grants=(), holds=(), head=head)
        for account_id, grant in working_set.changed_grants():
            self.grants.setdefault(account_id, {})[grant.id] = grant
        for account_id, hold in working_set.changed_holds():
            self.holds.setdefault(account_id, {})[hold.id] = hold
        self.charges |= {charge.id: charge for charge in working_set.changed_charges()}
        self.endpoints |= {endpoint.id: endpoint for endpoint in working_set.changed_endpoints()}
        for settled in batch.settled:
            job, answer = settled.job, batch.answered[settled.job.producer, settled.job.key]
            self.settled[job.id] = settled
            self.answered[job.producer, job.key] = replace(answer, body=noted(job.meaning, job.metadata))
        for entry in batch.entries:
            self._of_jobs[entry.details.job_id] = (*self._of_jobs.get(entry.details.job_id, ()), entry)
            if entry.details.reverses is not None:
                taken_back = entry.account_id, entry.details.reverses
                self._taken_back[taken_back] = self._taken_back.get(taken_back, 0) + abs(entry.amount)
        self.entries += batch.entries
        self.told += batch.events

    def loaded(self, key: AccountKey, grants: Collection[UUID] = (), holds: Collection[UUID] = ()) -> Account:
        """The account with its open grants and holds, and with those of its own that are named by these ids."""
        account = self.accounts[key]
        of_account = self.grants.get(account.id, {}).values()
        reserved = self.holds.get(account.id, {}).values()
        return replace(
            account,
            grants=tuple(grant for grant in of_account if grant.remaining or grant.held or grant.id in grants),
            holds=tuple(hold for hold in reserved if hold.remaining or hold.id in holds),
        )

    def _read(self, named: Named) -> WorkingSet:
        """As tasks/apply/locking.py reads what it has locked."""
        charged = [self.charges[charge_id] for charge_id in named.charges if charge_id in self.charges]
        job_ids = named.jobs | {charge.credited_by for charge in charged if charge.credited_by is not None}
        originals = {job_id: self._original(job_id) for job_id in job_ids if job_id in self._of_jobs}
        owners = {number: self.telegram_owners[number] for number in named.telegram_ids & set(self.telegram_owners)}
        keys = {key for key in named.accounts if key in self.accounts} | {*owners.values()}
        keys |= {original.account for original in originals.values()}
        keys |= {self.keys[charge.account_id] for charge in charged}
        grants, holds = grants_named(named.wanted, originals), holds_named(originals)
        read = [self.loaded(key, grants, holds) for key in sorted(keys, key=lambda key: self.accounts[key].id)]
        given_up = {account.id for account in read if account.key in named.given_up}
        open_ones = [each for each in self.charges.values() if each.account_id in given_up and each.status in OPEN]
        written = [entry for original in originals.values() for entry in original.entries]
        taken_back = {(entry.account_id, entry.seq) for entry in written} & set(self._taken_back)
        owners |= {number: self.telegram_owners[number] for number in named.given & set(self.telegram_owners)}
        owners |= {
            account.profile.telegram_id: account.key
            for account in read
            if isinstance(account.profile, User) and account.profile.telegram_id is not None
        }
        return WorkingSet(
            read,
            originals,
            {each: self._taken_back[each] for each in taken_back},
            owners,
            {key: next(self._numbers) for key in named.missing(self.accounts)},
            {charge.id: charge for charge in [*charged, *open_ones]},
            {each: self.endpoints[each] for each in named.endpoints if each in self.endpoints},
        )

    def _original(self, job_id: UUID) -> Original:
        job = self.settled[job_id].job
        return Original(job.name, job.producer, self._of_jobs[job_id])

    def _counted(self, months: Mapping[int, Iterable[Month]]) -> dict[int, dict[datetime, int]]:
        """Units that count towards caps, by account id and the first moment of the month."""
        return {
            account_id: {first: min(UNITS_MAX, self._charged(account_id, first, end)) for first, end in each}
            for account_id, each in months.items()
        }

    def _charged(self, account_id: int, first: datetime, end: datetime) -> int:
        return sum(
            charge.units
            for charge in self.charges.values()
            if charge.account_id == account_id and charge.status in COUNTED and first <= charge.created_at < end
        )

    def _keep_telegram_ids(self, changed: Sequence[Account]) -> None:
        users = [(account.key, account.profile) for account in changed if isinstance(account.profile, User)]
        for key, _ in users:
            before = self.accounts[key].profile if key in self.accounts else None
            if isinstance(before, User) and before.telegram_id is not None:
                del self.telegram_owners[before.telegram_id]
        self.telegram_owners |= {user.telegram_id: key for key, user in users if user.telegram_id is not None}


def _as_tables_keep_it(account: Account) -> Account:
    """JSON in a table has its keys in an order of its own."""
    profile = account.profile
    if isinstance(profile, Wallet):
        profile = replace(
            profile,
            metadata=_ordered(profile.metadata),
        )
    elif isinstance(profile, User):
        profile = replace(
            profile, promo_group=_ordered(profile.promo_group), subscription=_ordered(profile.subscription)
        )
    return replace(account, profile=profile)


def _ordered(value: Any) -> Any:
    """As PostgreSQL orders the keys of jsonb: the short ones first."""
    if isinstance(value, Mapping):
        return {name: _ordered(value[name]) for name in sorted(value, key=lambda name: (len(name.encode()), name))}
    return [_ordered(each) for each in value] if isinstance(value, list) else value
