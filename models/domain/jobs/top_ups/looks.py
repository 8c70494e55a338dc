"""Decisions about an account's top-ups: a look that fires or holds, and what its owner asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from models.domain import ledger
from models.domain.accounts import Account, Kind, Wallet
from models.domain.auto_topup import due as autotopup
from models.domain.auto_topup.calendar import next_time
from models.domain.auto_topup.evaluation import Fire, Hold, currency_of, evaluate, place
from models.domain.charging.charges import Charge, ChargeStatus
from models.domain.charging.policies import Policy, ProviderName, Reason, TopUpTrigger
from models.domain.credits.balance import Move
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Charging, Decision, DecisionContext, entry_details
from models.domain.deciding.top_up_commands import TopUpCancel, TopUpLook, TopUpNow, TopUpResume
from models.domain.events import EventType
from models.domain.jobs.wallets import NOT_FOUND
from models.domain.outcome import Code, Refusal

INVOICED: Final = "PURCHASED_CREDIT_INVOICED"
CHARGED: Final = "PURCHASED_CREDIT_DIRECT"
USER_NOT_FOUND: Final = Refusal(Code.USER_NOT_FOUND, "User not found")
_NO_POLICY: Final = Refusal(Code.POLICY_NOT_FOUND, "The account has no auto top-up policy")
# What would be looked at again at once, and could only come to the same.
_LOOK_AGAIN: Final = {Reason.CHARGING_PAUSED: timedelta(minutes=1)}
_LOOK_AGAIN_LATER: Final = timedelta(hours=1)


def look(command: TopUpLook, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Takes the look that has this number: fires, or notes why not and when to look again."""
    if account is None:
        return NOT_FOUND
    policy = account.policy
    if policy is None or policy.due_at is None or policy.crossing != command.crossing:
        return Refusal(Code.TOP_UP_NOT_DUE, "The balance has recovered or the policy has changed since the scan")
    result = evaluate(account, context)
    if isinstance(result, Fire):
        return _fire(account, policy, result, job, context)
    return Decision(_held(account, policy, result, context), Code.UNCHANGED)


def run_now(command: TopUpNow, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Fires at any level, without waiting for a cooldown. What its owner has bounded stays bounded."""
    if refusal := _missing(account, command.target.kind):
        return refusal
    assert account is not None
    if account.policy is None:
        return _NO_POLICY
    result = evaluate(account, context, asked=True)
    if isinstance(result, Fire):
        return _fire(account, account.policy, result, job, context)
    details = {"reason": result.reason.value, "until": result.until and result.until.isoformat(), "code": result.code}
    return Refusal(
        Code.TOP_UP_HELD,
        f"The top-up is held back: {result.reason.value}",
        {name: value for name, value in details.items() if value is not None},
    )


def resume(command: TopUpResume, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Puts a suspended policy in force again; declines are counted anew."""
    if refusal := _missing(account, command.target.kind):
        return refusal
    assert account is not None
    if account.policy is None:
        return _NO_POLICY
    after = autotopup.changed(account, suspended=None, declines=0, not_before=None)
    if after.policy == account.policy:
        return Decision(account, Code.UNCHANGED)
    events = (EventType.AUTO_TOP_UP_RESUMED,) if account.policy.suspended is not None else ()
    return followed(replace(after, updated_at=context.now), context, events)


def cancel(command: TopUpCancel, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Switches the policy off, and gives up a charge that nobody was asked for yet or that waits for its payer.

    One that may have been charged stays until that is known. Should a payer confirm later what was given up, it is
    credited all the same.
    """
    if refusal := _missing(account, command.target.kind):
        return refusal
    assert account is not None
    if account.policy is None:
        return _NO_POLICY
    charge = given_up(account, context)
    after = autotopup.changed(account, trigger=TopUpTrigger.DISABLED, version=account.policy.version + 1)
    if charge is not None:
        after = autotopup.changed(after, open_charge=None)
    elif account.policy.trigger is TopUpTrigger.DISABLED:
        return Decision(account, Code.UNCHANGED)
    return replace(followed(replace(after, updated_at=context.now), context), charge=charge)


def given_up(account: Account, context: DecisionContext) -> Charge | None:
    """The open charge as void, when it is certain that it has not been made."""
    assert account.policy is not None
    charges = (context.charging or Charging()).charges
    charge = None if account.policy.open_charge is None else charges.get(account.policy.open_charge)
    if charge is None or not (charge.status is ChargeStatus.NEEDS_ACTION or not charge.asked):
        return None
    return replace(charge, status=ChargeStatus.VOID, settled_at=context.now, code="cancelled")


def followed(after: Account, context: DecisionContext, events: tuple[EventType, ...] = ()) -> Decision:
    """The decision that changes the policy alone."""
    followed_, crossing = autotopup.follow(after, context)
    return Decision(followed_, events=(*events, *crossing))


def bought(account: Account, units: int, reason: str, job: Job, context: DecisionContext) -> Decision:
    """The decision by which a top-up is credited."""
    description = "Auto top-up"
    if isinstance(account.profile, Wallet):
        details = entry_details(job, context, ledger.EntryKind.CREDIT, reason, description)
        move = Move(account, context.now)
        move.balance += units
        after, entry = move.post(details)
        event = EventType.WALLET_TRANSACTION_CREATED
    else:
        details = entry_details(job, context, ledger.EntryKind.DEPOSIT, reason, description)
        after, entry = ledger.post(account, units, details)
        event = EventType.USER_BALANCE_UPDATED
    after, crossing = autotopup.follow(after, context)
    return Decision(after, entry=entry, events=(event, *crossing))


def _fire(account: Account, policy: Policy, fire: Fire, job: Job, context: DecisionContext) -> Decision:
    """Makes the charge. Where nobody is asked for it, somebody else invoices, and it is credited at once."""
    charge = Charge(
        id=job.id,
        account_id=account.id,
        policy_version=policy.version,
        cause=fire.cause,
        units=fire.units,
        amount=fire.amount,
        currency=currency_of(account),
        provider=policy.provider,
        payer=policy.payer,
        payment_method=policy.payment_method,
        status=ChargeStatus.PENDING,
        created_at=context.now,
    )
    fired = autotopup.changed(
        account,
        due_at=None,
        wanted=None,
        not_before=None,
        topped_up_at=context.now,
        reason=Reason.FIRED,
        next_at=_next(account, policy, context),
    )
    if policy.provider is not ProviderName.NONE:
        after = autotopup.noted(autotopup.changed(fired, open_charge=charge.id), context)
        after = replace(after, updated_at=context.now)
        return Decision(after, events=(EventType.AUTO_TOP_UP_FIRED,), charge=charge)
    decision = bought(fired, fire.units, INVOICED, job, context)
    charge = replace(charge, status=ChargeStatus.SUCCEEDED, settled_at=context.now, credited_by=job.id)
    return replace(decision, charge=charge, events=(*decision.events, EventType.AUTO_TOP_UP_FIRED))


def _held(account: Account, policy: Policy, hold: Hold, context: DecisionContext) -> Account:
    """The account after a look that did not fire."""
    state = autotopup.changed(account, reason=hold.reason, due_at=None)
    if policy.trigger is TopUpTrigger.INTERVAL and hold.reason is Reason.ABOVE_THRESHOLD:
        state = autotopup.changed(state, next_at=_next(account, policy, context))  # this time there was nothing to buy
    elif autotopup.due(state, context.now) and hold.reason not in (Reason.COOLDOWN, Reason.DECLINED):
        again = hold.until or context.now + _LOOK_AGAIN.get(hold.reason, _LOOK_AGAIN_LATER)
        state = autotopup.changed(state, not_before=again)
    return autotopup.noted(state, context)


def _next(account: Account, policy: Policy, context: DecisionContext) -> datetime | None:
    if policy.interval is None or policy.anchor is None:
        return policy.next_at
    return next_time(policy.interval, policy.anchor, place(account), context.now)


def _missing(account: Account | None, kind: Kind) -> Refusal | None:
    if account is not None:
        return None
    return NOT_FOUND if kind is Kind.WALLET else USER_NOT_FOUND
