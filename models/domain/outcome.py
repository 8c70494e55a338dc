"""The answer to a job: what became of it, under a code that never changes its meaning. docs/outcomes.md lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from models.domain.value import value
from models.python310 import StrEnum


class Status(StrEnum):
    APPLIED = "applied"
    REJECTED = "rejected"


class Code(StrEnum):
    """Why a job ended as it did. APPLIED and UNCHANGED are successes; every other code is a refusal."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"

    INVALID_REQUEST = "invalid_request"
    AMOUNT_ZERO = "amount_zero"
    AMOUNT_MISSING = "amount_missing"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    BALANCE_OVERFLOW = "balance_overflow"
    SCALE_EXCEEDED = "scale_exceeded"
    EXPIRY_NOT_IN_FUTURE = "expiry_not_in_future"
    OCCURRED_IN_FUTURE = "occurred_in_future"
    HOLD_TOO_LONG = "hold_too_long"
    REASON_RESERVED = "reason_reserved"
    POLICY_INCOMPLETE = "policy_incomplete"
    POLICY_CONTRADICTORY = "policy_contradictory"
    CURRENCY_UNKNOWN = "currency_unknown"

    USER_NOT_FOUND = "user_not_found"
    WALLET_NOT_FOUND = "wallet_not_found"
    APP_NOT_FOUND = "app_not_found"
    JOB_NOT_FOUND = "job_not_found"
    HOLD_NOT_FOUND = "hold_not_found"
    GRANT_NOT_FOUND = "grant_not_found"
    POLICY_NOT_FOUND = "policy_not_found"
    CHARGE_NOT_FOUND = "charge_not_found"
    ENDPOINT_NOT_FOUND = "endpoint_not_found"
    WALLET_EXISTS = "wallet_exists"
    TELEGRAM_ID_TAKEN = "telegram_id_taken"

    INSUFFICIENT_FUNDS = "insufficient_funds"
    WALLET_FROZEN = "wallet_frozen"
    WALLET_CLOSED = "wallet_closed"
    WALLET_IN_DEBT = "wallet_in_debt"
    CREDITS_HELD = "credits_held"
    PRICE_TYPE_NOT_ALLOWED = "price_type_not_allowed"
    OVERDRAFT_NOT_ALLOWED = "overdraft_not_allowed"
    HOLD_EXPIRED = "hold_expired"
    HOLD_CLOSED = "hold_closed"
    CAPTURE_EXCEEDS_HOLD = "capture_exceeds_hold"
    TOP_UP_NOT_DUE = "top_up_not_due"
    TOP_UP_HELD = "top_up_held"
    CHARGE_OPEN = "charge_open"
    CHARGE_SETTLED = "charge_settled"
    DECREASE_ONLY = "decrease_only"
    SUPERSEDED = "superseded"
    ALREADY_REVERSED = "already_reversed"  # answers given before an entry could be taken back in parts
    REVERSAL_EXCEEDS_ENTRY = "reversal_exceeds_entry"
    NOT_YOUR_JOB = "not_your_job"
    NOT_REVERSIBLE = "not_reversible"
    WEBHOOKS_NOT_CONFIGURED = "webhooks_not_configured"

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"


@value(frozen=True, slots=True)
class Refusal:
    """A job that is answered with no. `message` is a sentence for a person; `details` are for programs."""

    code: Code
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
