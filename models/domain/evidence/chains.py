"""What the chains cover beside the entries: jobs with their answers, and the terms of accounts.

A job with an entry is part of the entry's hash. One without, and each change of what decides about an account, is a
record of a journal: a chain of its own, in the order in which its transactions were written. `balance-worker verify`
goes through the records of an account to know what its row must say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from models.domain import money
from models.domain.accounts import Account, App, Profile, User, Wallet
from models.domain.charging.charges import Charge
from models.domain.charging.policies import ProviderName, TopUpTrigger
from models.domain.deciding.commands import Job
from models.domain.ledger import Entry, EntryKind, microseconds
from models.domain.outcome import Code, Status
from models.domain.value import value
from models.python310 import UTC, StrEnum

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
        "overdraft_allowed",
        "timezone",
    ),
    App: ("app_id", "store_id", "decrease_only"),
}
# Of its policy. Where a name differs, the chain has that of the column as it was when policies were a wallet's.
_POLICY: Final[Mapping[str, str]] = {
    **{name: name for name in ("trigger", "due_at", "crossing", "suspended", "wanted", "topped_up_at")},
    "min_balance": "threshold",
    "top_up_amount": "amount",
    "policy_timezone": "timezone",
    **{
        name: name
        for name in (
            "target", "interval", "anchor", "charge_min", "charge_max", "monthly_cap", "cooldown_s", "max_declines",
            "provider", "payer", "payment_method", "version", "declines", "not_before", "reason", "open_charge",
            "next_at",
        )
    },
}  # fmt: skip
_USUAL: Final = {"provider": ProviderName.NONE, "version": 0, "declines": 0}
"""What is as good as nothing: policies were without it when the first of them were recorded."""
_WALLET_WITHOUT: Final[Mapping[str, Any]] = {"trigger": TopUpTrigger.DISABLED.value, "crossing": 0}
_NOTHING_ELSE: Final[Mapping[str, Any]] = dict.fromkeys(
    ("min_balance", "top_up_amount", "due_at", "suspended", "wanted", "topped_up_at")
)
_ASKING: Final = frozenset({"id", "asked", "reference"})
"""Of a charge: its name, and what is noted while a provider is asked. What settles it is in the answer of that job."""
_OF_EVERY_ACCOUNT: Final = ("unit", "scale", "floor", "set_at", "created_at", "updated_at", "low_at")


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
        **_policy_terms(account),
    }


def _policy_terms(account: Account) -> dict[str, Any]:
    policy = account.policy
    if policy is None:
        # What every wallet's record has said from the first.
        return {**_WALLET_WITHOUT, **_NOTHING_ELSE} if isinstance(account.profile, Wallet) else {}
    told = {name: getattr(policy, field) for name, field in _POLICY.items()}
    return {name: None if item == _USUAL.get(name, ...) else plain(item) for name, item in told.items()}


def changes(before: Account | None, after: Account, entry: Entry | None) -> Changes:
    """The terms that a job sets or changes, beyond what its entry says. `before`: None when it made the account."""
    if entry is not None and before is not None and _as_before(before, after, entry):
        return NO_CHANGES
    told = {} if before is None else terms(before)
    if entry is not None:
        told |= moved_by(entry)
    return {name: [told.get(name), now] for name, now in terms(after).items() if name not in told or told[name] != now}


def charge_terms(charge: Charge) -> dict[str, Any]:
    """What a charge says, under the name that records have for it."""
    said = {field.name: plain(getattr(charge, field.name)) for field in fields(charge)}
    return {f"charge {charge.id}": {name: item for name, item in said.items() if name not in _ASKING}}


def charge_changes(before: Charge | None, after: Charge) -> Changes:
    """The change of a job that makes or settles a charge."""
    was = {} if before is None else charge_terms(before)
    return {name: [was.get(name), now] for name, now in charge_terms(after).items()}


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
        case UUID():
            return str(item)
        case Decimal():
            return money.text(item)
        case Mapping():
            return dict(item)
        case tuple():
            return list(item)
        case _:
            return item


def _as_before(before: Account, after: Account, entry: Entry) -> bool:
    """Whether none but what an entry changes has changed: nearly every job, so it is looked at first."""
    if after.profile is not before.profile or after.policy is not before.policy or after.floor != before.floor:
        return False
    if after.low_at is not before.low_at:
        return False
    return after.set_at == (entry.details.at if entry.details.kind is EntryKind.SET else before.set_at)
