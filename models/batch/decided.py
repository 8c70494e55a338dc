"""The jobs of a batch decided in memory: each in its turn, answered, sealed into the chains. Nothing is stored here."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from models.batch.outcome import StoredOutcome
from models.batch.records import Identity, SettledJob, StoredJob, Told
from models.batch.working_set import WorkingSet
from models.contracts.catalogue import contract_of
from models.contracts.jobs.webhooks import endpoint_body
from models.contracts.replies.outcome import encode, entry_document, outcome_document
from models.contracts.wire.travel import TRACEPARENT
from models.domain.accounts import Account
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Decision, DecisionContext, Original
from models.domain.deciding.webhook_commands import WEBHOOK_COMMANDS, WebhookCommand
from models.domain.events import EventType, bits
from models.domain.evidence.chains import NO_CHANGES, Record, RecordKind, changes, charge_changes, job_digest
from models.domain.idempotency import differences, former_fingerprints
from models.domain.ids import uuid7
from models.domain.jobs.decide import decide, decide_endpoint
from models.domain.ledger import Entry, Proof, made_by, seal
from models.domain.outcome import Code, Refusal, Status
from models.domain.sharding.buckets import BITS, in_bucket
from models.domain.sharding.place import bucket_of_job


@dataclass(slots=True)
class DecidedBatch:
    """What one transaction writes."""

    working_set: WorkingSet
    context: DecisionContext
    answered: dict[Identity, StoredJob]
    outcomes: list[StoredOutcome] = field(default_factory=list)  # to the jobs, in their order
    settled: list[SettledJob] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)
    recorded: list[Record] = field(default_factory=list)
    heads: dict[int, bytes] = field(default_factory=dict)  # hashes of last entries, by account id
    random: int = field(default_factory=lambda: secrets.randbits(62))  # one a unit: asking the system takes a while

    def answer(self, job: Job) -> StoredOutcome:
        known = self.answered.get((job.producer, job.key))
        if known is not None:
            return answer_again(job, known)
        account = None if isinstance(job.command, Refusal) else self.working_set.find(job.command.target)
        job = job.numbered(self._id(bucket_of_job(job, account, self.context.limits.shard)))
        if isinstance(job.command, WEBHOOK_COMMANDS):
            return self._about_endpoint(job, job.command)
        decision = decide(job, account, self.context)
        if isinstance(decision, Refusal):
            return self._refuse(job, account, decision)
        if decision.refusal is not None:
            return self._refuse(job, account, decision.refusal, decision)
        return self._accept(job, account, decision)

    def _id(self, bucket: int) -> UUID:
        number = len(self.settled)
        return uuid7(self.context.now, number, in_bucket(self.random + (number << BITS), bucket))

    def _accept(self, job: Job, before: Account | None, decision: Decision) -> StoredOutcome:
        account, entry = decision.account, decision.entry
        response = contract_of(job.name).response(account, self.context, decision.charge)
        written, bonus = (
            None if each is None else entry_document(each, account.scale) for each in (entry, decision.bonus)
        )
        document = outcome_document(job, Status.APPLIED, decision.code, written, response, None, bonus)
        return self._conclude(job, before, Status.APPLIED, decision.code, document, decision.events, decision)

    def _about_endpoint(self, job: Job, command: WebhookCommand) -> StoredOutcome:
        known = self.working_set.endpoints
        target = command.target.endpoint_id
        decision = decide_endpoint(job, command, None if target is None else known.get(target), self.context)
        if isinstance(decision, Refusal):
            return self._refuse(job, None, decision)
        endpoint = decision.endpoint
        known[endpoint.id] = endpoint
        body = endpoint_body(endpoint)
        document = outcome_document(job, Status.APPLIED, decision.code, None, body, None)
        return self._conclude(job, None, Status.APPLIED, decision.code, document, decision.events, None)

    def _refuse(
        self, job: Job, account: Account | None, refusal: Refusal, decision: Decision | None = None
    ) -> StoredOutcome:
        error = contract_of(job.name).error(refusal)
        document = outcome_document(job, Status.REJECTED, refusal.code, None, None, error)
        events = (EventType.JOB_REJECTED,)
        return self._conclude(job, account, Status.REJECTED, refusal.code, document, events, decision)

    def _conclude(
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
        about = account if decision is None else decision.account
        whose, seq = (None, None) if about is None else (about.id, about.seq)
        facts = {} if decision is None or decision.facts is None else decision.facts
        if not facts and job.traceparent is None:
            self.events += [Told(event, job.id, whose, seq) for event in events]
        else:
            self.events += [Told(event, job.id, whose, seq, _said(facts.get(event), job)) for event in events]
        self.settled.append(SettledJob(job, account_id, status, code, text, at, told))
        # A second message of the same batch under this key gets the answer of the first.
        self.answered[job.producer, job.key] = StoredJob(
            job.id, job.name, job.fingerprint, status, code, job.meaning, text
        )
        return StoredOutcome(job.id, status, code, text)

    def _seal(self, decision: Decision, digest: bytes) -> None:
        """Chains the entries of a job that has its answer."""
        account = decision.account
        for entry in (decision.entry, decision.bonus):
            if entry is not None:
                details = entry.details
                made = made_by(details, account.grants, account.holds) if details.grant_id or details.holds else ()
                sealed = seal(entry, self.heads.get(account.id, account.head), Proof(digest, made))
                self.heads[account.id] = sealed.hash
                self.entries.append(sealed)

    def _record(self, job: Job, digest: bytes, before: Account | None, decision: Decision | None) -> None:
        """Records what is in no entry, and hands the account on to the next job."""
        account, entry, changed = before, None, NO_CHANGES
        if decision is not None:
            account, entry = decision.account, decision.bonus or decision.entry
            changed = changes(before, account, entry)
            if decision.charge is not None:
                known = self.working_set.charges.get(decision.charge.id)
                changed = {**changed, **charge_changes(known, decision.charge)}
            if changed:
                account = replace(account, changes=account.changes + 1)
                decision = replace(decision, account=account)
            self.working_set.accept(decision)
            if decision.charge is not None and entry is not None:
                # What it was credited with may be given back by the next job.
                self.working_set.originals[job.id] = Original(job.name, job.producer, (entry,))
        if entry is not None and not changed:
            return
        account_id, number, after = None, None, None
        if account is not None:
            account_id, number, after = account.id, account.changes if changed else None, account.seq
        content = encode(changed)
        self.recorded.append(Record(RecordKind.JOB, content, job.id, digest, account_id, number, after))


def _said(facts: Mapping[str, Any] | None, job: Job) -> str | None:
    """What an event tells beside the job's answer, and the trace that it is part of."""
    trace = {} if job.traceparent is None else {TRACEPARENT: job.traceparent}
    return encode({**(facts or {}), **trace}) if facts is not None or trace else None


def answer_again(job: Job, known: StoredJob) -> StoredOutcome:
    """The answer to a job whose key has been answered: the same again, or that the key stands for another job."""
    return _replay(known) if _means_the_same(job, known) else _conflict(job, known)


def _means_the_same(job: Job, known: StoredJob) -> bool:
    if known.fingerprint == job.fingerprint:
        return True
    return known.fingerprint in former_fingerprints(job.name, job.meaning, job.metadata)


def _replay(known: StoredJob) -> StoredOutcome:
    return StoredOutcome(known.id, known.status, known.code, known.outcome, replayed=True)


def _conflict(job: Job, known: StoredJob) -> StoredOutcome:
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
