"""A payment provider, as charging sees it: asked for one charge under its id, as often as it takes to know the answer.

Implementations: worker/providers. The id of a charge is the idempotency key there, so that asking again charges nobody
twice.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from models.domain.value import value


class ProviderStatus(StrEnum):
    """What a provider says of a charge."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"  # taken on, not decided yet: asked again, or told by the provider's webhook
    DECLINED = "declined"  # final, with a code; another charge may be tried later
    NEEDS_ACTION = "needs_action"  # the payer has to confirm it first (3-D Secure): `link`, where there is one
    UNKNOWN = "unknown"  # nothing was understood of it: it may have been charged, so it is asked again, the same


@value(frozen=True, slots=True)
class ChargeRequest:
    """What is to be charged. `amount`: in the currency's minor units (JPY 500 → 500, USD 5.00 → 500, KWD 5 → 5000)."""

    id: UUID
    account: str  # wallet:w_1
    payer: str | None  # whom the provider knows: a Stripe customer
    payment_method: str | None  # the provider's id of it; None: the payer's default
    amount: int
    currency: str  # ISO 4217, upper case
    credits: str  # decimal, what the account is credited with
    policy_version: int
    reference: str | None = None  # the provider's own id of the charge, once it is known
    first_asked_at: datetime | None = None  # when it was first asked for, if it was: what became of that is looked up


@value(frozen=True, slots=True)
class ChargeAnswer:
    status: ProviderStatus
    reference: str | None = None  # the provider's own id of the charge
    code: str | None = None  # why it was declined, or what is wrong, in the provider's word
    link: str | None = None  # where the payer confirms it
    retry_after_s: float | None = None  # the provider wants to be left alone for so long


class Provider(Protocol):
    """Answers for whatever the payment service does, a time-out included; raises only for faults of ours."""

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        """Charges, or tells what became of it when it was asked before. May be called from several threads."""
        ...
