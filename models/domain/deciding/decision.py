"""What a decision is made from and what it consists of."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from models.domain.accounts import Account, AccountKey, Profile
from models.domain.charging.charges import Charge
from models.domain.deciding.commands import Job
from models.domain.events import EventType
from models.domain.ledger import Entry, EntryDetails, EntryKind
from models.domain.outcome import Code, Refusal
from models.domain.sharding.shard import Shard
from models.domain.value import value
from models.domain.webhooks.endpoints import Endpoint

EVERYBODY: Final = "*"
_USUAL_DIGITS: Final = 2
Facts = Mapping[str, Any]
"""By name, as bodies show them: amounts are numbers of credits."""


@value(frozen=True, slots=True)
class Original:
    """A job that another one names, with the entries that it wrote: one, or two when it added a bonus."""

    name: str
    producer: str
    entries: tuple[Entry, ...]

    @property
    def account(self) -> AccountKey:
        return self.entries[0].account


@value(frozen=True, slots=True)
class Limits:
    """Rules that an operator sets."""

    max_amount_kopeks: int = 100_000_000
    future_tolerance: timedelta = timedelta(seconds=30)  # how far ahead a publisher's clock may be
    expiry_grace: timedelta = timedelta(seconds=900)  # how long the sweep waits for jobs that happened before an expiry
    top_up_cooldown: timedelta = timedelta(seconds=60)  # between two auto top-ups of an account
    decline_backoff: timedelta = timedelta(hours=1)  # after a decline; it doubles with each one more in a row
    charging: bool = True  # whether this deployment charges at all
    currency_digits: Mapping[str, int] = field(default_factory=dict)  # decimals of the currencies there are
    webhook_key: bytes | None = None  # the name of the key that secrets of endpoints are made from
    reversers: Mapping[str, AbstractSet[str]] | None = None  # by producer, whose jobs it may reverse beside its own
    shard: Shard | None = None  # the part of the ledger that this is about; None: it is whole

    def digits_of(self, currency: str) -> int:
        """The decimals of a currency; two of one that nobody knows."""
        return self.currency_digits.get(currency, _USUAL_DIGITS)

    def may_reverse(self, producer: str, owner: str) -> bool:
        """Whether a producer may reverse a job of this owner. Nobody is held back where producers are not known."""
        if self.reversers is None or producer == owner:
            return True
        return not {owner, EVERYBODY}.isdisjoint(self.reversers.get(producer, ()))


@value(frozen=True, slots=True)
class Charging:
    """What is known of charges beyond an account's policy; read only when a job may make or settle one."""

    paused: bool = False  # by an operator, for all
    # Units that count towards a cap, by account id and the first moment of the month.
    charged: Mapping[int, Mapping[datetime, int]] = field(default_factory=dict)
    charges: Mapping[UUID, Charge] = field(default_factory=dict)  # that jobs name, and open ones of their accounts


@value(frozen=True, slots=True)
class DecisionContext:
    """What a decision may know beyond its account. All of it was read under the account's lock."""

    now: datetime  # the database's clock: one for all workers
    limits: Limits = field(default_factory=Limits)
    new_ids: Mapping[AccountKey, int] = field(default_factory=dict)  # ids set aside for accounts not there yet
    telegram_owners: Mapping[int, AccountKey] = field(default_factory=dict)
    originals: Mapping[UUID, Original] = field(default_factory=dict)  # the jobs that these jobs name
    reversed: Mapping[tuple[int, int], int] = field(default_factory=dict)  # units taken back, by (account id, seq)
    charging: Charging | None = None


@value(frozen=True, slots=True)
class Decision:
    """A job that is carried out. One that is not is a Refusal, and changes nothing.

    With a `refusal` the job is refused, and the account remembers that it was asked: nothing but its policy changes.
    """

    account: Account  # as it is afterwards
    code: Code = Code.APPLIED
    entry: Entry | None = None
    events: tuple[EventType, ...] = ()
    bonus: Entry | None = None  # a second entry of the same job
    refusal: Refusal | None = None
    charge: Charge | None = None  # made or changed by the job
    facts: Mapping[EventType, Facts] | None = None  # what an event tells that the answer does not say


@value(frozen=True, slots=True)
class EndpointDecision:
    """A job about an endpoint of webhooks that is carried out."""

    endpoint: Endpoint  # as it is afterwards
    code: Code = Code.APPLIED
    events: tuple[EventType, ...] = ()


def opened(
    key: AccountKey, context: DecisionContext, unit: str, scale: int, profile: Profile, floor: int = 0
) -> Account:
    """A new account: empty, with the id that was set aside for it."""
    return Account(
        id=context.new_ids[key],
        key=key,
        unit=unit,
        scale=scale,
        balance=0,
        seq=0,
        floor=floor,
        head=b"",
        set_at=None,
        created_at=context.now,
        updated_at=context.now,
        profile=profile,
    )


def entry_details(
    job: Job,
    context: DecisionContext,
    kind: EntryKind,
    reason: str | None,
    description: str | None,
    *,
    listed: bool = True,
) -> EntryDetails:
    """The details of an entry that this job writes."""
    return EntryDetails(kind, job.id, context.now, reason, description, job.metadata or None, listed)
