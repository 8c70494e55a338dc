"""charges.settle: what became of a charge, as its provider or an operator tells. The money follows, once.

What a provider says it has charged is credited whatever was thought of it before: given up, or declined.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from models.domain import ledger
from models.domain.accounts import Account, Wallet, WalletStatus
from models.domain.auto_topup import due as autotopup
from models.domain.charging.charges import OPEN, Charge, ChargeStatus
from models.domain.charging.policies import DECLINES_MAX, Policy
from models.domain.deciding.commands import EntryOfJob, EntryReverse, Job
from models.domain.deciding.decision import Charging, Decision, DecisionContext
from models.domain.deciding.top_up_commands import ChargeSettle
from models.domain.events import EventType
from models.domain.jobs.reversals import refunded, take_back
from models.domain.jobs.top_ups.looks import CHARGED, bought, followed
from models.domain.jobs.wallets import OVERFLOW
from models.domain.outcome import Code, Refusal

NEEDS_ACTION: Final = "needs_action"
_BACKOFF_MAX: Final = timedelta(days=1)
_DOUBLINGS_MAX: Final = (
    17  # of a second, and it is more than that day; a hundred declines are more than a time can hold
)
_FINAL_CODES: Final = frozenset({"no_payment_method"})  # asking once more could only come to the same


def settle(command: ChargeSettle, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    charge = (context.charging or Charging()).charges.get(command.target.charge_id)
    if account is None or charge is None:
        return Refusal(Code.CHARGE_NOT_FOUND, "There is no such charge", {"charge_id": str(command.target.charge_id)})
    told = replace(
        charge,
        status=command.status,
        reference=command.reference or charge.reference,
        code=command.code,
        link=command.link if command.status is ChargeStatus.NEEDS_ACTION else None,
        settled_at=None if command.status is ChargeStatus.NEEDS_ACTION else context.now,
    )
    if charge.status is command.status:
        return Decision(account, Code.UNCHANGED)
    match command.status:
        case ChargeStatus.SUCCEEDED if charge.status is not ChargeStatus.REFUNDED:
            return _succeeded(account, told, job, context)
        case ChargeStatus.REFUNDED if charge.status is ChargeStatus.SUCCEEDED:
            return _refunded(account, told, job, context)
        case ChargeStatus.DECLINED if charge.status in OPEN:
            return _declined(account, told, context)
        case ChargeStatus.NEEDS_ACTION if charge.status is ChargeStatus.PENDING:
            return _needs_action(account, told, context)
        case ChargeStatus.VOID if charge.status in OPEN:
            return replace(followed(_closed(account, told, context), context), charge=told)
    if charge.status in (ChargeStatus.SUCCEEDED, ChargeStatus.REFUNDED) and command.status is ChargeStatus.SUCCEEDED:
        return Decision(account, Code.UNCHANGED)
    return Refusal(
        Code.CHARGE_SETTLED,
        f"The charge is {charge.status.value} and cannot become {command.status.value}",
        {"charge_id": str(charge.id), "status": charge.status.value},
    )


def _succeeded(account: Account, charge: Charge, job: Job, context: DecisionContext) -> Decision | Refusal:
    if isinstance(account.profile, Wallet) and account.profile.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed: have the payment given back")
    if not ledger.fits(account, charge.units):
        return OVERFLOW
    paid = _closed(account, charge, context)
    if paid.policy is not None:
        # Another charge may be open by now, that its payer has to confirm.
        confirmed = paid.policy.suspended == NEEDS_ACTION and paid.policy.open_charge is None
        state = {"suspended": None} if confirmed else {}
        paid = autotopup.changed(paid, declines=0, not_before=None, **state)
    decision = bought(paid, charge.units, CHARGED, job, context)
    return replace(decision, charge=replace(charge, credited_by=job.id))


def _declined(account: Account, charge: Charge, context: DecisionContext) -> Decision:
    after = _closed(account, charge, context)
    events: tuple[EventType, ...] = (EventType.AUTO_TOP_UP_DECLINED,)
    policy = after.policy
    if policy is not None and policy.suspended is None:
        declines = policy.declines + 1
        if declines >= (policy.max_declines or DECLINES_MAX) or charge.code in _FINAL_CODES:
            after = _suspended(after, charge.code or "declined", declines)
            events = (*events, EventType.AUTO_TOP_UP_SUSPENDED)
        else:
            wait = min(context.limits.decline_backoff * 2 ** min(declines - 1, _DOUBLINGS_MAX), _BACKOFF_MAX)
            after = autotopup.changed(after, declines=declines, not_before=context.now + wait)
    return replace(followed(after, context, events), charge=charge)


def _needs_action(account: Account, charge: Charge, context: DecisionContext) -> Decision:
    """Nothing more is charged until the payer has confirmed it, or it was given up."""
    after = replace(account, updated_at=context.now)
    events: tuple[EventType, ...] = (EventType.CHARGE_NEEDS_ACTION,)
    if after.policy is not None and after.policy.suspended is None:
        after = _suspended(after, NEEDS_ACTION, after.policy.declines)
        events = (*events, EventType.AUTO_TOP_UP_SUSPENDED)
    return replace(followed(after, context, events), charge=charge)


def _refunded(account: Account, charge: Charge, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Takes the credit back, also when it has been spent, and suspends: who gives it back does not want another."""
    original = None if charge.credited_by is None else context.originals.get(charge.credited_by)
    if original is None:
        return Refusal(Code.CHARGE_NOT_FOUND, "The charge has no credit", {"charge_id": str(charge.id)})
    if isinstance(account.profile, Wallet) and account.profile.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    assert charge.credited_by is not None
    description = f"Charge given back: {charge.code or 'refunded'}"
    asked = EntryReverse(EntryOfJob(charge.credited_by), True, description, None, None)
    decision = take_back(asked, account, original, None, job, context)
    if isinstance(decision, Refusal):
        return decision
    if decision.entry is None:  # it was taken back by a job before, and the policy may have been resumed since
        decision = followed(refunded(replace(account, updated_at=context.now)), context)
    return replace(decision, code=Code.APPLIED, charge=charge)


def _closed(account: Account, charge: Charge, context: DecisionContext) -> Account:
    """The account without this open charge."""
    after = replace(account, updated_at=context.now)
    policy: Policy | None = account.policy
    if policy is None or policy.open_charge != charge.id:
        return after
    return autotopup.changed(after, open_charge=None)


def _suspended(account: Account, why: str, declines: int) -> Account:
    return autotopup.changed(account, suspended=why, declines=declines, not_before=None)
