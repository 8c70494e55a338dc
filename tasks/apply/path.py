"""THE PATH: jobs are applied one at a time, in order; only the commit is shared.

    step                                                     where                    if it dies here, redelivery
    1  the message comes in                                  worker/consuming         finds nothing done
    2  it is understood, or refused at its turn              contracts/wire/message   finds nothing done
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

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import compress
from typing import Any

from sqlalchemy import Connection, Engine

from models.contracts.catalogue import contract_of
from models.contracts.replies.outcome import encode, entry_document, outcome_document
from models.domain.accounts import Account
from models.domain.events import EventType, bits
from models.domain.evidence.chains import NO_CHANGES, Record, RecordKind, changes, job_digest
from models.domain.idempotency import differences, former_fingerprints
from models.domain.ids import uuid7
from models.domain.jobs.commands import Job
from models.domain.jobs.decide import decide
from models.domain.jobs.decision import Decision, DecisionContext, Limits
from models.domain.ledger import Entry, Proof, made_by, seal
from models.domain.outcome import Code, Refusal, Status
from models.store.connection.session import last_round_trip, transaction, wait_as_for_a_write
from models.store.write import accounts, entries, grants, holds, outbox, profiles
from models.store.write import jobs as store
from models.store.write import journals as records
from tasks.apply.outcome import StoredOutcome
from tasks.apply.working_set import WorkingSet, load_working_set, lock_uncontended


def apply(engine: Engine, jobs: Sequence[Job], limits: Limits) -> list[StoredOutcome]:
    """Settles the jobs in one transaction and answers each, in their order.

    A refusal is an answer and disturbs no neighbour. A fault raises and takes everything back: TransientFault when the
    same jobs may succeed later, anything else when one of them is at fault.
    """
    with transaction(engine) as connection:
        return _settle(connection, decide_all(connection, jobs, limits))


def apply_free(engine: Engine, jobs: Sequence[Job], limits: Limits) -> list[StoredOutcome | None]:
    """`apply` for the jobs whose accounts no other transaction holds at this moment; None for the others.

    Two workers that take a batch each from one queue are rarely after the same few accounts, and nearly always after
    one: without this, each would wait for the other's whole batch. All jobs of an account that is held are left out,
    so that they stay in their order.
    """
    with transaction(engine) as connection:
        free = lock_uncontended(connection, jobs)
        if free is None:
            return [*_settle(connection, decide_all(connection, jobs, limits))]
        locked, held = free
        ready = [isinstance(job.command, Refusal) or job.command.target not in held for job in jobs]
        unit = decide_all(connection, [*compress(jobs, ready)], limits, locked)
        outcomes = iter(_settle(connection, unit))
    return [next(outcomes) if one_is_ready else None for one_is_ready in ready]


def decide_all(
    connection: Connection, jobs: Sequence[Job], limits: Limits, locked: Sequence[accounts.Locked] | None = None
) -> UnitOfWork:
    """Steps 3 to 5: what is to be written, with nothing written yet. `locked`: the accounts, when they are already."""
    working_set = load_working_set(connection, jobs, locked)
    now, answered = store.find(connection, {(job.producer, job.key) for job in jobs})
    unit = UnitOfWork(working_set, _context(working_set, now, limits), answered)
    unit.outcomes = [unit.answer(job) for job in jobs]
    return unit


def _settle(connection: Connection, unit: UnitOfWork) -> list[StoredOutcome]:
    """Steps 6 and 7."""
    journal = records.take(connection) if unit.recorded else None
    with last_round_trip(connection):
        if unit.settled:
            unit.write(connection, journal)
        elif unit.outcomes:
            wait_as_for_a_write(connection)
    return unit.outcomes


def _context(working_set: WorkingSet, now: datetime, limits: Limits) -> DecisionContext:
    # The working_set's own mappings: what one job of the batch changes, the next one knows.
    return DecisionContext(
        now, limits, working_set.new_ids, working_set.telegram_owners, working_set.originals, working_set.reversed
    )


@dataclass(slots=True)
class UnitOfWork:
    """What one transaction writes."""

    working_set: WorkingSet
    context: DecisionContext
    answered: dict[store.Identity, store.StoredJob]
    outcomes: list[StoredOutcome] = field(default_factory=list)  # to the jobs, in their order
    settled: list[store.SettledJob] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    events: list[outbox.Event] = field(default_factory=list)
    recorded: list[Record] = field(default_factory=list)
    heads: dict[int, bytes] = field(default_factory=dict)  # hashes of last entries, by account id
    random: int = field(default_factory=lambda: 2 * secrets.randbits(61))  # one a unit: asking the system takes a while

    def answer(self, job: Job) -> StoredOutcome:
        known = self.answered.get((job.producer, job.key))
        if known is not None:
            return _replay(known) if _means_the_same(job, known) else _conflict(job, known)
        number = len(self.settled)
        job = job.numbered(uuid7(self.context.now, number, self.random + 2 * number))
        account = None if isinstance(job.command, Refusal) else self.working_set.find(job.command.target)
        decision = decide(job, account, self.context)
        if isinstance(decision, Refusal):
            return self._refuse(job, account, decision)
        if decision.refusal is not None:
            return self._refuse(job, account, decision.refusal, decision)
        return self._accept(job, account, decision)

    def _accept(self, job: Job, before: Account | None, decision: Decision) -> StoredOutcome:
        account, entry = decision.account, decision.entry
        response = contract_of(job.name).response(account, self.context)
        written, bonus = _told(entry, account.scale), _told(decision.bonus, account.scale)
        document = outcome_document(job, Status.APPLIED, decision.code, written, response, None, bonus)
        return self._settle(job, before, Status.APPLIED, decision.code, document, decision.events, decision)

    def _refuse(
        self, job: Job, account: Account | None, refusal: Refusal, decision: Decision | None = None
    ) -> StoredOutcome:
        error = contract_of(job.name).error(refusal)
        document = outcome_document(job, Status.REJECTED, refusal.code, None, None, error)
        events = (EventType.JOB_REJECTED,)
        return self._settle(job, account, Status.REJECTED, refusal.code, document, events, decision)

    def _settle(
        self,
        job: Job,
        before: Account | None,
        status: Status,
        code: Code,
        document: Any,
        events: Sequence[EventType],
        decision: Decision | None,
    ) -> StoredOutcome:
        """`decision`: None when it changes nothing. `before`: the account that the job is about, None if there is none
        yet."""
        text, at, told = encode(document), self.context.now, bits(events)
        account, entry = (before, None) if decision is None else (decision.account, decision.entry)
        account_id = None if account is None or entry is not None else account.id
        digest = job_digest(job, account_id, status, code, told, text, at)
        if decision is not None:
            self._seal(decision, digest)
        self._record(job, digest, before, decision)
        self.events += [outbox.Event(event, job.id) for event in events]
        self.settled.append(store.SettledJob(job, account_id, status, code, text, at, told))
        # A second message of the same batch under this key gets the answer of the first.
        self.answered[job.producer, job.key] = store.StoredJob(
            job.id, job.name, job.fingerprint, status, code, job.meaning, text
        )
        return StoredOutcome(job.id, status, code, text)

    def _seal(self, decision: Decision, digest: bytes) -> None:
        """Chains the entries of a job that has its answer."""
        account = decision.account
        for entry in (decision.entry, decision.bonus):
            if entry is not None:
                note = entry.details
                made = made_by(note, account.grants, account.holds) if note.grant_id or note.holds else ()
                sealed = seal(entry, self.heads.get(account.id, account.head), Proof(digest, made))
                self.heads[account.id] = sealed.hash
                self.entries.append(sealed)

    def _record(self, job: Job, digest: bytes, before: Account | None, decision: Decision | None) -> None:
        """Records what is in no entry, and hands the account on to the next job."""
        account, entry, changed = before, None, NO_CHANGES
        if decision is not None:
            account, entry = decision.account, decision.bonus or decision.entry
            changed = changes(before, account, entry)
            if changed:
                account = replace(account, changes=account.changes + 1)
                decision = replace(decision, account=account)
            self.working_set.accept(decision)
        if entry is not None and not changed:
            return
        account_id, number, after = None, None, None
        if account is not None:
            account_id, number, after = account.id, account.changes if changed else None, account.seq
        content = encode(changed)
        self.recorded.append(Record(RecordKind.JOB, content, job.id, digest, account_id, number, after))

    def write(self, connection: Connection, journal: records.Journal | None = None) -> None:
        """Everything is decided; from here on there are only writes. `journal`: when there is something to record."""
        accounts.create(connection, self.working_set.created(), self.heads)
        profiles.save(connection, self.working_set.changed_profiles())
        store.insert(connection, self.settled)
        grants.save(connection, self.working_set.changed_grants())
        holds.save(connection, self.working_set.changed_holds())
        entries.insert(connection, self.entries)
        accounts.save(connection, self.working_set.changed(), self.heads)
        outbox.insert(connection, self.events)
        if self.recorded:
            assert journal is not None, "what is recorded needs a journal"
            records.append(connection, journal, self.recorded)


def _told(entry: Entry | None, scale: int) -> dict[str, Any] | None:
    return None if entry is None else entry_document(entry, scale)


def _means_the_same(job: Job, known: store.StoredJob) -> bool:
    if known.fingerprint == job.fingerprint:
        return True
    return known.fingerprint in former_fingerprints(job.name, job.meaning, job.metadata)


def _replay(known: store.StoredJob) -> StoredOutcome:
    return StoredOutcome(known.id, known.status, known.code, known.outcome, replayed=True)


def _conflict(job: Job, known: store.StoredJob) -> StoredOutcome:
    """The key stands for another job. Nothing is stored: the key keeps its first answer."""
    details: dict[str, Any] = {"job_id": str(known.id)}
    if known.name != job.name:
        details["job"] = {"first": known.name, "now": job.name}
    elif known.body is None:
        details["fields"] = "the first body is no longer kept"
    else:
        details["fields"] = differences(contract_of(job.name).asked(json.loads(known.body)), json.loads(job.meaning))
    refusal = Refusal(Code.IDEMPOTENCY_CONFLICT, "The idempotency key was used for a job with another meaning", details)
    error = contract_of(job.name).error(refusal)
    document = outcome_document(
        replace(job, id=known.id), Status.REJECTED, Code.IDEMPOTENCY_CONFLICT, None, None, error
    )
    return StoredOutcome(known.id, Status.REJECTED, Code.IDEMPOTENCY_CONFLICT, encode(document))
