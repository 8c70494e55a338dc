"""What is told to the outside, by the names under which it is published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from models.python310 import StrEnum


class EventType(StrEnum):
    USER_BALANCE_UPDATED = "user.balance.updated"
    WALLET_UPDATED = "wallet.updated"
    WALLET_TRANSACTION_CREATED = "wallet.transaction.created"
    WALLET_BALANCE_DROPPED = "wallet.credit_balance.dropped"
    WALLET_BALANCE_RECOVERED = "wallet.credit_balance.recovered"
    APP_BALANCE_UPDATED = "app.balance.updated"
    JOB_REJECTED = "job.rejected"
    AUTO_TOP_UP_FIRED = "auto_topup.fired"
    AUTO_TOP_UP_DECLINED = "auto_topup.declined"
    AUTO_TOP_UP_SUSPENDED = "auto_topup.suspended"
    AUTO_TOP_UP_RESUMED = "auto_topup.resumed"
    CHARGE_NEEDS_ACTION = "charge.needs_action"
    BALANCE_LOW = "balance.low"
    GRANT_WILL_EXPIRE = "grant.will_expire"
    GRANT_EXPIRED = "grant.expired"
    HOLD_EXPIRED = "hold.expired"
    WEBHOOK_DISABLED = "webhook.disabled"
    DEAD_LETTER_PARKED = "dead_letter.parked"


ABOUT_TOP_UPS: Final = frozenset({
    EventType.AUTO_TOP_UP_FIRED, EventType.AUTO_TOP_UP_DECLINED, EventType.AUTO_TOP_UP_SUSPENDED,
    EventType.AUTO_TOP_UP_RESUMED, EventType.CHARGE_NEEDS_ACTION,
})  # fmt: skip
"""They tell the policy and the charge as well."""
_ITS_OWN: Final = 8192  # what a job of one name alone can tell: its name says which it was
BITS: Final[Mapping[EventType, int]] = {
    EventType.USER_BALANCE_UPDATED: 1,
    EventType.WALLET_UPDATED: 2,
    EventType.WALLET_TRANSACTION_CREATED: 4,
    EventType.WALLET_BALANCE_DROPPED: 8,
    EventType.WALLET_BALANCE_RECOVERED: 16,
    EventType.APP_BALANCE_UPDATED: 32,
    EventType.JOB_REJECTED: 64,
    EventType.AUTO_TOP_UP_FIRED: 128,
    EventType.AUTO_TOP_UP_DECLINED: 256,
    EventType.AUTO_TOP_UP_SUSPENDED: 512,
    EventType.AUTO_TOP_UP_RESUMED: 1024,
    EventType.CHARGE_NEEDS_ACTION: 2048,
    EventType.BALANCE_LOW: 4096,
    EventType.GRANT_WILL_EXPIRE: _ITS_OWN,
    EventType.GRANT_EXPIRED: _ITS_OWN,
    EventType.HOLD_EXPIRED: 16384,
    EventType.WEBHOOK_DISABLED: _ITS_OWN,
}
"""By which a job remembers what it told, after the events themselves are gone. They must never change, and there is
room for no more. No job tells of a dead letter."""


def bits(events: Iterable[EventType]) -> int:
    """The sum of the bits of these events, each of which a job tells once."""
    return sum(BITS[event] for event in events)
