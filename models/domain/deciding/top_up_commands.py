"""Commands about auto top-up: policies, looks and charges."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from models.domain.accounts import AccountKey
from models.domain.charging.charges import ChargeStatus
from models.domain.charging.policies import Policy
from models.domain.value import value


@value(frozen=True, slots=True)
class ChargeOf:
    """The account that a charge was made for."""

    charge_id: UUID


@value(frozen=True, slots=True)
class TopUpLook:
    """Ours: the look with this number."""

    target: AccountKey
    crossing: int


@value(frozen=True, slots=True)
class PolicySet:
    target: AccountKey
    terms: Policy  # without its amounts
    amounts: Mapping[str, Decimal]  # by their names in Policy, in credits or roubles


@value(frozen=True, slots=True)
class TopUpResume:
    target: AccountKey


@value(frozen=True, slots=True)
class TopUpNow:
    target: AccountKey


@value(frozen=True, slots=True)
class TopUpCancel:
    target: AccountKey


@value(frozen=True, slots=True)
class ChargeSettle:
    target: ChargeOf
    status: ChargeStatus
    reference: str | None
    code: str | None
    link: str | None


TopUpCommand = TopUpLook | PolicySet | TopUpResume | TopUpNow | TopUpCancel | ChargeSettle
MAY_CHARGE = (TopUpLook, TopUpNow, TopUpCancel, ChargeSettle)
"""What needs to know of charges beyond the account's policy."""
