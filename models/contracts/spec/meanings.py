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
    Code.OCCURRED_IN_FUTURE: "`occurred_at` is later than now and the tolerance (`BALANCE_FUTURE_TOLERANCE_S`)",
    Code.HOLD_TOO_LONG: "a hold that would last longer than 30 days",
    Code.REASON_RESERVED: "the system alone writes this `transaction_reason`",
    Code.POLICY_INCOMPLETE: (
        "auto top-up is on, and something that it needs is missing: a threshold, an amount, an interval"
    ),
    Code.POLICY_CONTRADICTORY: "the terms of an auto top-up policy contradict each other, or it could never fire",
    Code.CURRENCY_UNKNOWN: "`auto_topup.set_policy`: ISO 4217 knows no such currency, so nobody can charge it",
    Code.USER_NOT_FOUND: "no user has this id",
    Code.WALLET_NOT_FOUND: "no wallet has this id",
    Code.APP_NOT_FOUND: "the app is not known in this store",
    Code.JOB_NOT_FOUND: "`entries.reverse`: no job with this id wrote an entry",
    Code.HOLD_NOT_FOUND: "no hold was made by a job with this id",
    Code.GRANT_NOT_FOUND: "`grants.void`: the wallet has no grant made by this job",
    Code.POLICY_NOT_FOUND: "the account has no auto top-up policy",
    Code.CHARGE_NOT_FOUND: "`charges.settle`: there is no such charge",
    Code.ENDPOINT_NOT_FOUND: "`webhooks.*`: there is no such endpoint, or it was removed",
    Code.WALLET_EXISTS: "`wallets.create`: the id is taken",
    Code.TELEGRAM_ID_TAKEN: "`users.upsert`: another user has this telegram id",
    Code.INSUFFICIENT_FUNDS: "the balance would pass the account's floor; expired and held credits do not count",
    Code.WALLET_FROZEN: "the wallet takes no jobs that move credits",
    Code.WALLET_CLOSED: "the wallet has been terminated",
    Code.WALLET_IN_DEBT: "`wallets.terminate`: the wallet owes credits",
    Code.CREDITS_HELD: "open holds need what the job would take away",
    Code.PRICE_TYPE_NOT_ALLOWED: "the wallet's config does not allow paying for this `price_type`",
    Code.OVERDRAFT_NOT_ALLOWED: "the debit needs an `overdraft` and the wallet allows none",
    Code.HOLD_EXPIRED: "the hold had run out",
    Code.HOLD_CLOSED: "nothing is left of the hold: it was captured, released or reversed",
    Code.CAPTURE_EXCEEDS_HOLD: "more would be captured than is left of the hold",
    Code.TOP_UP_NOT_DUE: "our own auto top-up came after the balance had recovered",
    Code.TOP_UP_HELD: "`auto_topup.run_now`: the policy holds it back; the body names the reason and until when",
    Code.CHARGE_OPEN: "`wallets.terminate`: a charge is open, and its money may be on the way",
    Code.CHARGE_SETTLED: "`charges.settle`: it is known already what became of the charge, and this is something else",
    Code.DECREASE_ONLY: "the app's balance may only go down",
    Code.SUPERSEDED: "a set that was decided later has been applied already",
    Code.ALREADY_REVERSED: "the entry had been taken back (answers given before it could be in parts; now `unchanged`)",
    Code.REVERSAL_EXCEEDS_ENTRY: "more is asked back than has not been reversed yet",
    Code.NOT_YOUR_JOB: "`entries.reverse`: the job is another producer's",
    Code.NOT_REVERSIBLE: "what time, an operator or a reversal did is final, and a hold is released",
    Code.WEBHOOKS_NOT_CONFIGURED: "`webhooks.*`: the workers have no `BALANCE_WEBHOOK_KEY` to make a secret from",
    Code.IDEMPOTENCY_CONFLICT: (
        "the key stands for another job; the body names what differs, the key keeps its first answer"
    ),
}
