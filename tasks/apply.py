"""THE PATH: jobs are applied one at a time, in order; only the commit is shared.

    step                                                        where              if the process dies here, redelivery
    1  the message comes in                                     worker/lane        finds nothing done
    2  it is understood, or refused at its turn                 contracts/message  finds nothing done
    3  accounts are locked, ids sorted                          store/accounts     the lock went with the connection
    4  keys that have been answered are found                   store/jobs         nothing was written
    5  each job is decided, in order, in memory, purely         domain/decide      nothing was written
    6  jobs with their answers, entries, balances, events       store/*            all rolled back together
    7  one commit                                               store/session      before: as above; after: 4 replays
    8  the answers go out, the messages are acknowledged        worker/lane        replayed, acknowledged

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
from models.contracts.outcome import encode, entry_document, outcome_document
from models.domain.accounts import Account
from models.domain.commands import Job
from models.domain.decide import decide
from models.domain.decision import Decision, Facts, Limits
from models.domain.events import EventType
from models.domain.idempotency import differences, former_fingerprints
from models.domain.ids import uuid7
from models.domain.ledger import Entry
from models.domain.outcome import Code, Refusal, Status
from models.store import accounts, entries, faces, grants, holds, outbox
from models.store import jobs as store
from models.store.session import last_round_trip, transaction, wait_as_for_a_write
from tasks.book import Book, lock_free, open_book
from tasks.outcome import Outcome


def apply(engine: Engine, jobs: Sequence[Job], limits: Limits) -> list[Outcome]:
    """Settles the jobs in one transaction and answers each, in their order.

    A refusal is an answer and disturbs no neighbour. A fault raises and takes everything back: TransientFault when the
    same jobs may succeed later, anything else when one of them is at fault.
    """
    with transaction(engine) as connection:
        return _settle(connection, decide_all(connection, jobs, limits))


def apply_free(engine: Engine, jobs: Sequence[Job], limits: Limits) -> list[Outcome | None]:
    """`apply` for the jobs whose accounts no other transaction holds at this moment; None for the others.

    Two workers that take a batch each from one queue are rarely after the same few accounts, and nearly always after
    one: without this, each would wait for the other's whole batch. All jobs of an account that is held are left out,
    so that they stay in their order.
    """
    with transaction(engine) as connection:
        free = lock_free(connection, jobs)
        if free is None:
            return [*_settle(connection, decide_all(connection, jobs, limits))]
        locked, held = free
        ready = [isinstance(job.command, Refusal) or job.command.target not in held for job in jobs]
        page = decide_all(connection, [*compress(jobs, ready)], limits, locked)
        outcomes = iter(_settle(connection, page))
    return [next(outcomes) if one_is_ready else None for one_is_ready in ready]


def decide_all(
    connection: Connection, jobs: Sequence[Job], limits: Limits, locked: Sequence[accounts.Locked] | None = None
) -> Page:
    """Steps 3 to 5: what is to be written, with nothing written yet. `locked`: the accounts, when they are already."""
    book = open_book(connection, jobs, locked)
    now, answered = store.find(connection, {(job.producer, job.key) for job in jobs})
    page = Page(book, _facts(book, now, limits), answered)
    page.outcomes = [page.answer(job) for job in jobs]
    return page


def _settle(connection: Connection, page: Page) -> list[Outcome]:
    """Steps 6 and 7."""
    with last_round_trip(connection):
        if page.settled:
            page.write(connection)
        elif page.outcomes:
            wait_as_for_a_write(connection)
    return page.outcomes


def _facts(book: Book, now: datetime, limits: Limits) -> Facts:
    # The book's own mappings: what one job of the batch changes, the next one knows.
    return Facts(now, limits, book.new_ids, book.telegram_owners, book.originals, book.reversed)


@dataclass(slots=True)
class Page:
    """What one transaction writes."""

    book: Book
    facts: Facts
    answered: dict[store.Identity, store.StoredJob]
    outcomes: list[Outcome] = field(default_factory=list)  # to the jobs, in their order
    settled: list[store.SettledJob] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    events: list[outbox.Event] = field(default_factory=list)
    random: int = field(default_factory=lambda: 2 * secrets.randbits(61))  # one a page: asking the system takes a while

    def answer(self, job: Job) -> Outcome:
        known = self.answered.get((job.producer, job.key))
        if known is not None:
            return _replay(known) if _means_the_same(job, known) else _conflict(job, known)
        number = len(self.settled)
        job = job.numbered(uuid7(self.facts.now, number, self.random + 2 * number))
        account = None if isinstance(job.command, Refusal) else self.book.find(job.command.target)
        decision = decide(job, account, self.facts)
        if isinstance(decision, Refusal):
            return self._refuse(job, account, decision)
        if decision.refusal is not None:
            self.book.accept(decision)
            return self._refuse(job, account, decision.refusal)
        return self._accept(job, decision)

    def _accept(self, job: Job, decision: Decision) -> Outcome:
        account, entry = decision.account, decision.entry
        self.book.accept(decision)
        response = contract_of(job.name).response(account, self.facts)
        written, bonus = self._written(entry, account.scale), self._written(decision.bonus, account.scale)
        self.events += [outbox.Event(event, job.id) for event in decision.events]
        document = outcome_document(job, Status.APPLIED, decision.code, written, response, None, bonus)
        return self._settle(job, account, Status.APPLIED, decision.code, document, entry)

    def _written(self, entry: Entry | None, scale: int) -> dict[str, Any] | None:
        if entry is None:
            return None
        self.entries.append(entry)
        return entry_document(entry, scale)

    def _refuse(self, job: Job, account: Account | None, refusal: Refusal) -> Outcome:
        error = contract_of(job.name).error(refusal)
        self.events.append(outbox.Event(EventType.JOB_REJECTED, job.id))
        document = outcome_document(job, Status.REJECTED, refusal.code, None, None, error)
        return self._settle(job, account, Status.REJECTED, refusal.code, document)

    def _settle(
        self,
        job: Job,
        account: Account | None,
        status: Status,
        code: Code,
        document: Any,
        entry: Entry | None = None,
    ) -> Outcome:
        text = encode(document)
        account_id = None if account is None or entry is not None else account.id
        self.settled.append(store.SettledJob(job, account_id, status, code, text, self.facts.now))
        # A second message of the same batch under this key gets the answer of the first.
        self.answered[job.producer, job.key] = store.StoredJob(
            job.id, job.name, job.fingerprint, status, code, job.meaning, text
        )
        return Outcome(job.id, status, code, text)

    def write(self, connection: Connection) -> None:
        """Everything is decided; from here on there are only writes."""
        accounts.create(connection, self.book.created())
        faces.save(connection, self.book.changed_faces())
        store.insert(connection, self.settled)
        grants.save(connection, self.book.changed_grants())
        holds.save(connection, self.book.changed_holds())
        entries.insert(connection, self.entries)
        accounts.save(connection, self.book.changed())
        outbox.insert(connection, self.events)


def _means_the_same(job: Job, known: store.StoredJob) -> bool:
    if known.fingerprint == job.fingerprint:
        return True
    return known.fingerprint in former_fingerprints(job.name, job.meaning, job.metadata)


def _replay(known: store.StoredJob) -> Outcome:
    return Outcome(known.id, known.status, known.code, known.outcome, replayed=True)


def _conflict(job: Job, known: store.StoredJob) -> Outcome:
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
    return Outcome(known.id, Status.REJECTED, Code.IDEMPOTENCY_CONFLICT, encode(document))
