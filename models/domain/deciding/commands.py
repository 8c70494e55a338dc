"""Commands: jobs after validation, with defaults filled in. Amounts that need the account's scale are decimals yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from models.domain.accounts import AccountKey
from models.domain.charging.policies import TopUpTrigger
from models.domain.credits.grants import Draw, Grant
from models.domain.deciding.top_up_commands import ChargeOf, TopUpCommand
from models.domain.deciding.webhook_commands import EndpointOf, WebhookCommand
from models.domain.outcome import Refusal
from models.domain.value import value

NOT_SETTLED: Final = UUID(int=0)
SYSTEM_PRODUCER: Final = "balance-worker"
"""The producer of the jobs that we make ourselves. Nobody else may use it, or keys of ours could be taken."""
AUTO_TOP_UP: Final = "autotopup.top_up"
"""The job that takes a look."""
RUN_NOW: Final = "auto_topup.run_now"
SETTLE_CHARGE: Final = "charges.settle"
BOUGHT: Final = frozenset({AUTO_TOP_UP, RUN_NOW, SETTLE_CHARGE})
"""The jobs that credit auto top-ups: by their names a reversal is known as a refund."""


@value(frozen=True, slots=True)
class TelegramUser:
    """A user named by telegram id instead of the internal one."""

    telegram_id: int


@value(frozen=True, slots=True)
class EntryOfJob:
    """The account on which another job wrote its entry."""

    job_id: UUID


Target = AccountKey | TelegramUser | EntryOfJob | ChargeOf | EndpointOf


@value(frozen=True, slots=True)
class UserUpsert:
    target: AccountKey
    user_id: int
    changes: Mapping[str, Any]  # the fields given, by their names in accounts.User
    floor: int | None  # kopeks; None: leave it as it is


@value(frozen=True, slots=True)
class UserCorrect:
    target: AccountKey | TelegramUser
    amount_kopeks: int
    description: str
    listed: bool


@value(frozen=True, slots=True)
class WalletCreate:
    target: AccountKey
    terms: Mapping[str, Any]  # by their names in accounts.Wallet
    trigger: TopUpTrigger
    min_balance: Decimal | None  # credits
    top_up_amount: Decimal | None  # credits
    scale: int
    floor: Decimal  # credits


@value(frozen=True, slots=True)
class WalletUpdate:
    target: AccountKey
    changes: Mapping[str, Any]  # the terms given, by their names in accounts.Wallet
    trigger: TopUpTrigger | None
    min_balance: Decimal | None  # credits
    top_up_amount: Decimal | None  # credits
    floor: Decimal | None  # credits; None: leave it as it is


@value(frozen=True, slots=True)
class Bonus:
    """Free credits that come with a top-up."""

    credits: Decimal
    expires_at: datetime | date | None


@value(frozen=True, slots=True)
class WalletTopUp:
    target: AccountKey
    credits: Decimal | None  # wins over `amount`
    amount: Decimal | None  # in the wallet's currency
    reason: str
    description: str
    expires_at: datetime | date | None  # a date: the end of that day where the wallet is
    priority: int | None
    effective_at: datetime | None
    bonus: Bonus | None


@value(frozen=True, slots=True)
class WalletDebit:
    target: AccountKey
    credits: Decimal | None
    amount: Decimal | None
    reason: str
    description: str
    price_type: str | None
    overdraft: Decimal | None  # credits below the floor that this debit may use


@value(frozen=True, slots=True)
class WalletHold:
    target: AccountKey
    credits: Decimal | None
    amount: Decimal | None
    description: str
    price_type: str | None
    lasts: timedelta | None  # from when it is made
    expires_at: datetime | None  # instead


@value(frozen=True, slots=True)
class HoldCapture:
    target: EntryOfJob  # the job that made the hold
    credits: Decimal | None  # neither: all that is left of it
    amount: Decimal | None
    final: bool  # what is left is released
    reason: str
    description: str


@value(frozen=True, slots=True)
class HoldRelease:
    target: EntryOfJob
    description: str


@value(frozen=True, slots=True)
class GrantVoid:
    target: AccountKey
    grant_id: UUID
    reason: str
    operator: str


@value(frozen=True, slots=True)
class WalletTerminate:
    target: AccountKey
    description: str


@value(frozen=True, slots=True)
class GrantExpire:
    """Ours: what is left of one expired grant leaves the balance."""

    target: AccountKey
    grant_id: UUID


@value(frozen=True, slots=True)
class GrantOpen:
    """Ours: a grant has begun; a debt that is there is paid with it."""

    target: AccountKey
    grant_id: UUID


@value(frozen=True, slots=True)
class GrantWarn:
    """Ours: a grant will expire soon, with something left."""

    target: AccountKey
    grant_id: UUID


@value(frozen=True, slots=True)
class HoldExpire:
    """Ours: a hold has run out."""

    target: AccountKey
    hold_id: UUID


@value(frozen=True, slots=True)
class AlertsSet:
    target: AccountKey
    thresholds: tuple[Decimal, ...]  # credits, roubles or units


@value(frozen=True, slots=True)
class AccountRepair:
    """Ours, asked for by an operator: puts right what broke a rule before the rule was kept."""

    target: AccountKey
    seq: int  # of the entry after which this was found
    balance: int  # units that are right
    grants: Mapping[UUID, Grant]  # as they are right, where their rows say something else
    draws: tuple[Draw, ...]  # what the entries have to take from grants to come to that; negative: put back
    reason: str
    operator: str


@value(frozen=True, slots=True)
class AppUpsert:
    target: AccountKey
    app_id: str
    store_id: str
    decrease_only: bool | None


@value(frozen=True, slots=True)
class AppSet:
    target: AccountKey
    balance: int


@value(frozen=True, slots=True)
class EntryReverse:
    target: EntryOfJob
    force: bool
    description: str
    credits: Decimal | None  # of a wallet
    amount: Decimal | None  # a wallet's currency, a user's kopeks, an app's units; neither: all that is left


UserCommand = UserUpsert | UserCorrect
WalletCommand = (
    WalletCreate
    | WalletUpdate
    | WalletTopUp
    | WalletDebit
    | WalletTerminate
    | WalletHold
    | HoldCapture
    | HoldRelease
    | GrantVoid
    | GrantExpire
    | GrantOpen
    | GrantWarn
    | HoldExpire
    | AccountRepair
)
AppCommand = AppUpsert | AppSet
Command = UserCommand | WalletCommand | AppCommand | EntryReverse | AlertsSet | TopUpCommand | WebhookCommand
CREATES = (UserUpsert, WalletCreate, AppUpsert)


@value(frozen=True, slots=True)
class Job:
    """One message, understood. `command` is a Refusal when the body breaks its contract: that is answered in turn."""

    name: str
    producer: str
    key: str
    meaning: str  # canonical JSON of the validated body: equal meanings, equal texts
    fingerprint: bytes  # SHA-256 of name and meaning
    occurred_at: datetime | None
    metadata: Mapping[str, str]
    command: Command | Refusal
    id: UUID = NOT_SETTLED  # given when the job is settled
    traceparent: str | None = None  # events carry it on; no part of what the job means

    def numbered(self, job_id: UUID) -> Job:
        """The job with its id. Spelt out like `Account.moved`."""
        return Job(
            self.name, self.producer, self.key, self.meaning, self.fingerprint, self.occurred_at, self.metadata,
            self.command, job_id, self.traceparent,
        )  # fmt: skip
