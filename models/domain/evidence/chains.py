"""What the chains cover beside the entries: jobs with their answers, and the terms of accounts.

A job with an entry is part of the entry's hash. One without, and each change of what decides about an account, is a
record of a journal: a chain of its own, in the order in which its transactions were written. `balance-worker verify`
goes through the records of an account to know what its row must say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Final
from uuid import UUID

from models.domain import money
from models.domain.accounts import Account, App, Profile, User, Wallet
from models.domain.deciding.commands import Job
from models.domain.ledger import Entry, EntryKind, microseconds
from models.domain.outcome import Code, Status
from models.domain.value import value

Changes = Mapping[str, list[Any]]
"""{term: [what it was, what it is]}, as JSON has them."""
NO_CHANGES: Final[Changes] = {}

# What decides about money, and whose it is. Names of people do not: what is in a chain is there for ever.
_TERMS: Final[Mapping[type[Profile], tuple[str, ...]]] = {
    User: ("user_id", "telegram_id", "status"),
    Wallet: (
        "customer_id",
        "currency",
        "wallet_type",
        "status",
        "conversion_rate",
        "config",
        "trigger",
        "min_balance",
        "top_up_amount",
        "due_at",
        "crossing",
        "overdraft_allowed",
        "timezone",
        "suspended",
        "wanted",
        "topped_up_at",
    ),
    App: ("app_id", "store_id", "decrease_only"),
}
_OF_EVERY_ACCOUNT: Final = ("unit", "scale", "floor", "set_at", "created_at", "updated_at")


class RecordKind(StrEnum):
    JOB = "job"  # a job that wrote no entry, or changed terms, or both
    PRUNED = "pruned"  # bodies and events of old jobs were dropped
    OPENING = "opening"  # the terms of an account from before there were records, as they were found
    BEFORE = "before"  # sums over all that was settled before there were records


@value(frozen=True, slots=True)
class Record:
    """One link of a journal. `content` is JSON: Changes, when it is of a job or an opening, and {} without any."""

    kind: RecordKind
    content: str
    job_id: UUID | None = None
    digest: bytes | None = None  # of the job
    account_id: int | None = None
    number: int | None = None  # of the change, from 1 in each account; None: it changed no terms
    after: int | None = None  # the account's last entry then


def record_hash(prev: bytes, journal: int, seq: int, record: Record) -> bytes:
    """SHA-256 over the previous hash and all that the record says. The form must never change."""
    said = (
        f"1 {journal} {seq} {record.kind.value} {record.job_id or '-'}"
        f" {'-' if record.digest is None else record.digest.hex()}"
        f" {record.account_id or 0} {record.number or 0} {record.after or 0} {record.content}"
    )
    return hashlib.sha256(prev + said.encode()).digest()


def job_digest(
    job: Job, account_id: int | None, status: Status, code: Code, events: int, outcome: str, settled_at: datetime
) -> bytes:
    """SHA-256 over all of a settled job but its body, which its fingerprint stands for. The form must never change, and
    models/store/write/digests.py has it in SQL. `events`: see models/domain/events.py; `outcome`: as it is stored."""
    said = (
        f"1 {job.id} {job.fingerprint.hex()} {status.value} {code.value} {account_id or 0} {events}"
        f" {microseconds(settled_at)} {len(job.name)}:{job.name} {len(job.producer)}:{job.producer}"
        f" {len(job.key)}:{job.key} {outcome}"
    )
    return hashlib.sha256(said.encode()).digest()


def terms(account: Account) -> dict[str, Any]:
    """What decides about the account, beside its entries, grants and holds, as JSON has it."""
    profile = account.profile
    return {
        "account": str(account.key),
        **{name: plain(getattr(account, name)) for name in _OF_EVERY_ACCOUNT},
        **{name: plain(getattr(profile, name)) for name in _TERMS[type(profile)]},
    }


def changes(before: Account | None, after: Account, entry: Entry | None) -> Changes:
    """The terms that a job sets or changes, beyond what its entry says. `before`: None when it made the account."""
    if entry is not None and before is not None and _as_before(before, after, entry):
        return NO_CHANGES
    told = {} if before is None else terms(before)
    if entry is not None:
        told |= moved_by(entry)
    return {name: [told.get(name), now] for name, now in terms(after).items() if name not in told or told[name] != now}


def moved_by(entry: Entry) -> dict[str, Any]:
    """The terms that an entry sets by itself."""
    at = plain(entry.details.at)
    return {"updated_at": at, "set_at": at} if entry.details.kind is EntryKind.SET else {"updated_at": at}


def plain(item: Any) -> Any:
    """A value as JSON has it, the same for equal values: times in UTC with their microseconds."""
    match item:
        case datetime():
            return item.astimezone(UTC).isoformat(timespec="microseconds")
        case Enum():
            return item.value
        case Decimal():
            return money.text(item)
        case Mapping():
            return dict(item)
        case _:
            return item


def _as_before(before: Account, after: Account, entry: Entry) -> bool:
    """Whether none but what an entry changes has changed: nearly every job, so it is looked at first."""
    if after.profile is not before.profile or after.floor != before.floor:
        return False
    return after.set_at == (entry.details.at if entry.details.kind is EntryKind.SET else before.set_at)
