"""What each code means, in one sentence, for the documents that are generated. docs/outcomes.md says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.domain.outcome import Code

MEANINGS: Final[Mapping[Code, str]] = {
    Code.APPLIED: "carried out",
    Code.UNCHANGED: "carried out, and the balance was right already: no entry was written",
    Code.INVALID_REQUEST: "the arguments break the contract; the body names each field",
    Code.AMOUNT_ZERO: "a correction by zero",
    Code.AMOUNT_MISSING: (
        "neither credits nor amount is above zero, or the amount is less than the smallest unit of credit"
    ),
    Code.AMOUNT_OUT_OF_RANGE: "the amount is past the operator's limit (`BALANCE_MAX_AMOUNT_KOPEKS`)",
    Code.BALANCE_OVERFLOW: "a number or the balance after it is more than an account can hold (2^63 units)",
    Code.SCALE_EXCEEDED: "more decimals than the wallet keeps; nothing is rounded silently",
    Code.EXPIRY_NOT_IN_FUTURE: "the credits would have expired before they were added",
    Code.REASON_RESERVED: "the system alone writes this `transaction_reason`",
    Code.POLICY_INCOMPLETE: "auto top-up is on without a minimum or an amount above zero",
    Code.USER_NOT_FOUND: "no user has this id",
    Code.WALLET_NOT_FOUND: "no wallet has this id",
    Code.APP_NOT_FOUND: "the app is not known in this store",
    Code.JOB_NOT_FOUND: "`entries.reverse`: no job with this id wrote an entry",
    Code.WALLET_EXISTS: "`wallets.create`: the id is taken",
    Code.TELEGRAM_ID_TAKEN: "`users.upsert`: another user has this telegram id",
    Code.INSUFFICIENT_FUNDS: "the balance would pass the account's floor; expired credits do not count",
    Code.WALLET_FROZEN: "the wallet takes no jobs that move credits",
    Code.WALLET_CLOSED: "the wallet has been terminated",
    Code.WALLET_IN_DEBT: "`wallets.terminate`: the wallet owes credits",
    Code.TOP_UP_NOT_DUE: "our own auto top-up came after the balance had recovered",
    Code.DECREASE_ONLY: "the app's balance may only go down",
    Code.SUPERSEDED: "a set that was decided later has been applied already",
    Code.ALREADY_REVERSED: "the entry has been taken back before",
    Code.NOT_REVERSIBLE: "reversals, expiries and terminations are final",
    Code.IDEMPOTENCY_CONFLICT: (
        "the key stands for another job; the body names what differs, the key keeps its first answer"
    ),
}
