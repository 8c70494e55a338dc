"""An auto top-up policy: what an account's owner has agreed to, and where it stands.

Amounts are units of the account: credits at its scale, or kopeks.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from models.domain.value import value
from models.python310 import StrEnum

DECLINES_MAX = 3
"""In a row, before a policy that says nothing else is suspended."""


class TopUpTrigger(StrEnum):
    DISABLED = "disabled"
    BALANCE_BELOW_THRESHOLD = "balance_below_threshold"
    INTERVAL = "interval"


class Interval(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


class ProviderName(StrEnum):
    NONE = "none"  # somebody else invoices: the event tells them
    HTTP = "http"
    STRIPE = "stripe"


class Reason(StrEnum):
    """Why a look did or did not fire."""

    FIRED = "fired"
    DISABLED = "disabled"
    INACTIVE = "inactive"  # the account is frozen, blocked or closed
    SUSPENDED = "suspended"  # by what happened: until it is resumed
    CHARGING_PAUSED = "charging_paused"  # by an operator, for all
    CHARGE_PENDING = "charge_pending"
    NO_PAYMENT_METHOD = "no_payment_method"
    ABOVE_THRESHOLD = "above_threshold"
    NOT_YET = "not_yet"  # the interval's next time is to come
    COOLDOWN = "cooldown"
    DECLINED = "declined"  # tried again later, until it is suspended
    DOES_NOT_FIT = "does_not_fit"  # the balance would be larger than an account can hold
    AMOUNT_TOO_SMALL = "amount_too_small"  # less than the smallest unit of the currency
    CAP_REACHED = "cap_reached"


@value(frozen=True, slots=True)
class Policy:
    trigger: TopUpTrigger
    threshold: int | None = None
    amount: int | None = None  # either this
    target: int | None = None  # or what the balance is brought to
    interval: Interval | None = None
    anchor: datetime | None = None  # a time of the interval: the others follow from it
    timezone: str | None = None  # IANA name; None: the wallet's, or UTC
    charge_min: int | None = None
    charge_max: int | None = None
    monthly_cap: int | None = None  # what may be charged in a calendar month, whatever is due
    cooldown_s: int | None = None  # between two; None: the deployment's
    max_declines: int | None = None  # in a row, before it is suspended; None: DECLINES_MAX
    provider: ProviderName = ProviderName.NONE
    payer: str | None = None  # whom the provider knows
    payment_method: str | None = None  # None: the payer's usual one
    version: int = 0  # how often it was set
    # where it stands
    due_at: datetime | None = None  # when it is to be looked at next; None: not before something moves
    crossing: int = 0  # how often it was to be looked at: names the look
    wanted: int | None = None  # the level that a refused debit needed and one top-up would reach
    topped_up_at: datetime | None = None  # when it fired last
    suspended: str | None = None  # why it is out of force until it is resumed
    declines: int = 0  # in a row
    not_before: datetime | None = None  # a decline or the cap holds it back until then
    reason: Reason | None = None  # what came of the last look
    open_charge: UUID | None = None  # one at a time
    next_at: datetime | None = None  # the interval's next time
    dropped: bool = False  # it was told that the level is below the threshold, and not yet that it is back
