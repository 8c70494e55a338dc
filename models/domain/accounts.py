"""An account and the profile that a user, a wallet or an app shows on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from models.domain.charging.policies import Policy
from models.domain.credits.grants import Grant
from models.domain.credits.holds import Hold
from models.domain.value import value
from models.python310 import StrEnum

Json = Mapping[str, Any]


class Kind(StrEnum):
    USER = "user"
    WALLET = "wallet"
    APP = "app"


class UserStatus(StrEnum):
    ACTIVE = "active"
    BLOCKED = "blocked"
    DELETED = "deleted"


class WalletStatus(StrEnum):
    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSED = "closed"


class WalletType(StrEnum):
    PROMOTIONAL = "PROMOTIONAL"
    PRE_PAID = "PRE_PAID"


@value(frozen=True, slots=True)
class AccountKey:
    """How publishers name an account: wallet:w_1, user:42, app:shop/7."""

    kind: Kind
    ref: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.ref}"


@value(frozen=True, slots=True)
class User:
    user_id: int
    telegram_id: int | None
    username: str | None
    first_name: str | None
    last_name: str | None
    language: str
    status: UserStatus
    referral_code: str | None
    referred_by_id: int | None
    has_had_paid_subscription: bool
    has_made_first_topup: bool
    last_activity: datetime | None
    promo_group: Json | None
    subscription: Json | None


@value(frozen=True, slots=True)
class Wallet:
    customer_id: str | None
    name: str
    description: str
    currency: str
    wallet_type: WalletType
    status: WalletStatus
    conversion_rate: Decimal  # currency for one credit
    config: Json
    metadata: Mapping[str, str]
    overdraft_allowed: bool = False  # whether a debit may ask to go below the floor
    timezone: str | None = None  # IANA name; None: UTC


@value(frozen=True, slots=True)
class App:
    app_id: str
    store_id: str
    decrease_only: bool


Profile = User | Wallet | App


APP_SCALE: Final = 0  # an app's balance is a whole number
USER_SCALE: Final = 2  # kopeks
WALLET_SCALE: Final = 9  # of credits, unless the wallet was created otherwise


@value(frozen=True, slots=True)
class Account:
    """The one balance row, with all that a decision about it needs.

    `balance` = Σ amounts of its entries = balance_after of entry number `seq`. `grants` and `holds` are the open ones
    of a wallet; what the balance holds beyond them is plain. `granted` = Σ remaining of its grants and `held` = Σ
    remaining of its holds stand in the row, so that a wallet with neither is read without asking for them.
    """

    id: int
    key: AccountKey
    unit: str
    scale: int
    balance: int
    seq: int
    floor: int | None  # the lowest balance a job may leave; None: no limit
    head: bytes  # hash of the last entry when the account was read; empty when there was none
    set_at: datetime | None  # occurred_at of the last absolute set applied
    created_at: datetime
    updated_at: datetime
    profile: Profile
    grants: tuple[Grant, ...] = ()
    holds: tuple[Hold, ...] = ()
    granted: int = 0
    held: int = 0
    changes: int = 0  # how often its terms were set or changed: models/domain/evidence/chains.py
    policy: Policy | None = None  # of its auto top-up
    low_at: tuple[int, ...] | None = None  # levels below which it is told, the highest first; None: none

    @property
    def status(self) -> UserStatus | WalletStatus | None:
        """Whether its user or wallet is in use; an app has no status."""
        return None if isinstance(self.profile, App) else self.profile.status

    def moved(self, balance: int, seq: int, at: datetime) -> Account:
        """The account after an entry. Spelt out: it is made for every job, and `replace` costs five times as much."""
        return Account(
            self.id, self.key, self.unit, self.scale, balance, seq, self.floor, self.head, self.set_at,
            self.created_at, at, self.profile, self.grants, self.holds, self.granted, self.held, self.changes,
            self.policy, self.low_at,
        )  # fmt: skip
