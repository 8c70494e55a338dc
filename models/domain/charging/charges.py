"""A charge: what a payment provider is asked for, and what became of it. Its id is that of the job that decided it."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from models.domain.charging.policies import ProviderName
from models.domain.value import value
from models.python310 import StrEnum


class ChargeStatus(StrEnum):
    PENDING = "pending"  # to be asked for, or asked for and not known yet
    NEEDS_ACTION = "needs_action"  # the payer has to confirm it
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    VOID = "void"  # given up: by its owner before it was asked for, or by an operator who knows
    REFUNDED = "refunded"  # succeeded, and was given back or disputed since


OPEN: Final = (ChargeStatus.PENDING, ChargeStatus.NEEDS_ACTION)
COUNTED: Final = (*OPEN, ChargeStatus.SUCCEEDED, ChargeStatus.REFUNDED)
"""What counts towards the cap of its month."""


class Cause(StrEnum):
    """What a charge was made for."""

    THRESHOLD = "balance_below_threshold"
    REFUSED_JOB = "refused_job"
    INTERVAL = "interval"
    RUN_NOW = "run_now"


@value(frozen=True, slots=True)
class Charge:
    id: UUID
    account_id: int
    policy_version: int
    cause: Cause
    units: int  # of the account, that it is credited with
    amount: int  # of the currency's smallest unit
    currency: str
    provider: ProviderName
    payer: str | None
    payment_method: str | None
    status: ChargeStatus
    created_at: datetime
    settled_at: datetime | None = None
    credited_by: UUID | None = None  # the job that credited it
    reference: str | None = None  # the provider's own id of it
    code: str | None = None  # why it was declined, refunded or given up
    link: str | None = None  # where the payer confirms it
    asked: bool = False  # whether the provider was, or is being, asked for it
