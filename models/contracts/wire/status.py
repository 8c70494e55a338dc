"""The HTTP status that goes with each code, in the APIs whose bodies the jobs speak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.domain.outcome import Code

HTTP_STATUS: Final[Mapping[Code, int]] = {
    Code.APPLIED: 200,
    Code.UNCHANGED: 200,
    Code.INVALID_REQUEST: 422,
    Code.AMOUNT_ZERO: 400,
    Code.AMOUNT_MISSING: 400,
    Code.AMOUNT_OUT_OF_RANGE: 422,
    Code.BALANCE_OVERFLOW: 422,
    Code.SCALE_EXCEEDED: 400,
    Code.EXPIRY_NOT_IN_FUTURE: 400,
    Code.OCCURRED_IN_FUTURE: 422,
    Code.HOLD_TOO_LONG: 400,
    Code.REASON_RESERVED: 400,
    Code.POLICY_INCOMPLETE: 400,
    Code.POLICY_CONTRADICTORY: 400,
    Code.CURRENCY_UNKNOWN: 400,
    Code.USER_NOT_FOUND: 404,
    Code.WALLET_NOT_FOUND: 404,
    Code.APP_NOT_FOUND: 404,
    Code.JOB_NOT_FOUND: 404,
    Code.HOLD_NOT_FOUND: 404,
    Code.GRANT_NOT_FOUND: 404,
    Code.POLICY_NOT_FOUND: 404,
    Code.CHARGE_NOT_FOUND: 404,
    Code.ENDPOINT_NOT_FOUND: 404,
    Code.WALLET_EXISTS: 409,
    Code.TELEGRAM_ID_TAKEN: 409,
    Code.INSUFFICIENT_FUNDS: 402,
    Code.WALLET_FROZEN: 409,
    Code.WALLET_CLOSED: 409,
    Code.WALLET_IN_DEBT: 409,
    Code.CREDITS_HELD: 409,
    Code.PRICE_TYPE_NOT_ALLOWED: 409,
    Code.OVERDRAFT_NOT_ALLOWED: 409,
    Code.HOLD_EXPIRED: 409,
    Code.HOLD_CLOSED: 409,
    Code.CAPTURE_EXCEEDS_HOLD: 409,
    Code.TOP_UP_NOT_DUE: 409,
    Code.TOP_UP_HELD: 409,
    Code.CHARGE_OPEN: 409,
    Code.CHARGE_SETTLED: 409,
    Code.DECREASE_ONLY: 422,
    Code.SUPERSEDED: 409,
    Code.ALREADY_REVERSED: 409,
    Code.REVERSAL_EXCEEDS_ENTRY: 409,
    Code.NOT_YOUR_JOB: 409,
    Code.NOT_REVERSIBLE: 409,
    Code.WEBHOOKS_NOT_CONFIGURED: 409,
    Code.IDEMPOTENCY_CONFLICT: 409,
}
