"""Decisions about what a wallet is: created, changed, terminated."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from models.domain import ledger, money
from models.domain.accounts import Account, Wallet, WalletStatus
from models.domain.auto_topup import due as autotopup
from models.domain.charging.policies import Policy, TopUpTrigger
from models.domain.credits import balance as credits
from models.domain.credits.balance import Move
from models.domain.deciding.commands import Job, WalletCreate, WalletTerminate, WalletUpdate
from models.domain.deciding.decision import Decision, DecisionContext, entry_details, opened
from models.domain.events import EventType
from models.domain.jobs.top_ups.policy_terms import unsound
from models.domain.jobs.wallets import NOT_FOUND, TERMINATED_REASON, posted, unstorable
from models.domain.outcome import Code, Refusal

_NO_POLICY: Final = Policy(TopUpTrigger.DISABLED)


def create(command: WalletCreate, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    if account is not None:
        return Refusal(Code.WALLET_EXISTS, "A wallet with this id exists", {"wallet_id": command.target.ref})
    terms = _policy_units(command.min_balance, command.top_up_amount, command.scale)
    if isinstance(terms, Refusal):
        return terms
    try:
        floor = money.to_units(command.floor, command.scale)
    except (money.ScaleExceeded, money.Overflow) as error:
        return unstorable(error, "floor", command.scale)
    wallet = Wallet(**command.terms, metadata=job.metadata, status=WalletStatus.ACTIVE)
    policy = _updated(None, command.trigger, *terms)
    assert policy is not None
    if refusal := _unsound(policy):
        return refusal
    account = opened(command.target, context, "credit", command.scale, wallet, floor)
    if policy != replace(_NO_POLICY, version=1):
        account, dropped = autotopup.follow(replace(account, policy=policy), context)
        return Decision(account, events=(EventType.WALLET_UPDATED, *dropped))
    return Decision(account, events=(EventType.WALLET_UPDATED,))


def update(command: WalletUpdate, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    if account is None:
        return NOT_FOUND
    assert isinstance(account.profile, Wallet)
    if account.profile.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    terms = _policy_units(command.min_balance, command.top_up_amount, account.scale)
    if isinstance(terms, Refusal):
        return terms
    wallet = replace(account.profile, **command.changes)
    policy = _updated(account.policy, command.trigger, *terms)
    if policy is not account.policy and policy is not None and (refusal := _unsound(policy)):
        return refusal
    changed = replace(account, profile=wallet, policy=policy, updated_at=context.now)
    if command.floor is not None:
        try:
            changed = replace(changed, floor=money.to_units(command.floor, account.scale))
        except (money.ScaleExceeded, money.Overflow) as error:
            return unstorable(error, "floor", account.scale)
    if refusal := _uncovered(changed, wallet, context):
        return refusal
    after, crossing = autotopup.follow(changed, context)
    return Decision(after, events=(EventType.WALLET_UPDATED, *crossing))


def _uncovered(account: Account, wallet: Wallet, context: DecisionContext) -> Refusal | None:
    """What a hold has reserved must still be there when it is captured."""
    held = credits.held(account, context.now)
    spendable = credits.spendable(account, context.now)
    if not held or wallet.overdraft_allowed or account.floor is None or spendable >= account.floor:
        return None
    return Refusal(
        Code.CREDITS_HELD,
        "The wallet's holds need what this would take away; capture or release them first",
        {"held": money.text(money.from_units(held, account.scale))},
    )


def terminate(
    command: WalletTerminate, account: Account | None, job: Job, context: DecisionContext
) -> Decision | Refusal:
    """Takes what is left, expired or not, and closes. A wallet in debt stays open: a write-off is a decision."""
    if account is None:
        return NOT_FOUND
    assert isinstance(account.profile, Wallet)
    if account.profile.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    if account.policy is not None and account.policy.open_charge is not None:
        return Refusal(
            Code.CHARGE_OPEN,
            "A charge is open; terminate the wallet when it is settled",
            {"charge_id": str(account.policy.open_charge)},
        )
    profile = replace(account.profile, status=WalletStatus.CLOSED)
    move = Move(replace(account, profile=profile), context.now)
    if held := move.held:
        return Refusal(
            Code.CREDITS_HELD,
            "Credits of the wallet are held; capture or release them before terminating",
            {"held": money.text(money.from_units(held, account.scale))},
        )
    move.pay_debt()
    if move.credit < 0:
        return Refusal(Code.WALLET_IN_DEBT, "The wallet owes credits; settle them before terminating")
    for grant in [*move.grants.values()]:
        move.take(grant.id, grant.remaining)
        move.grants[grant.id] = replace(move.grants[grant.id], pending=False)
    if not (move.balance or move.draws or move.changes or move.paid):
        closed = autotopup.noted(replace(account, profile=profile, updated_at=context.now), context)
        return Decision(closed, events=(EventType.WALLET_UPDATED,))
    move.balance = 0
    details = entry_details(job, context, ledger.EntryKind.TERMINATION, TERMINATED_REASON, command.description)
    decision = posted(move, details, context)
    return replace(decision, events=(*decision.events, EventType.WALLET_UPDATED))


def _policy_units(
    minimum: Decimal | None, amount: Decimal | None, scale: int
) -> tuple[int | None, int | None] | Refusal:
    try:
        units = [None if value is None else money.to_units(value, scale) for value in (minimum, amount)]
    except (money.ScaleExceeded, money.Overflow) as error:
        return unstorable(error, "auto_topup", scale)
    return units[0], units[1]


def _updated(
    policy: Policy | None, trigger: TopUpTrigger | None, minimum: int | None, amount: int | None
) -> Policy | None:
    """The policy with what the three fields of the source's wallet say; None is left as it is."""
    if trigger is None and minimum is None and amount is None:
        return policy
    new = policy or _NO_POLICY
    given: dict[str, Any] = {"trigger": trigger, "threshold": minimum, "amount": amount}
    new = replace(new, **{field: value for field, value in given.items() if value is not None})
    if amount is not None:
        new = replace(new, target=None)
    if not new.declines:
        new = replace(new, not_before=None)  # what did not fit under the cap may do so now
    if trigger is TopUpTrigger.BALANCE_BELOW_THRESHOLD:
        new = replace(new, suspended=None, declines=0, not_before=None)
    return replace(new, version=new.version + 1)


def _unsound(policy: Policy) -> Refusal | None:
    if policy.trigger is TopUpTrigger.BALANCE_BELOW_THRESHOLD and not (
        policy.threshold and (policy.amount or policy.target)
    ):
        return Refusal(
            Code.POLICY_INCOMPLETE,
            "auto_topup_min_balance and auto_topup_amount must be above zero when the trigger is on",
            {"field": "auto_topup_trigger"},
        )
    # A top-up is made below the minimum, so with this it always fits.
    if policy.trigger is not TopUpTrigger.DISABLED and (policy.threshold or 0) + (policy.amount or 0) > money.UNITS_MAX:
        return Refusal(
            Code.BALANCE_OVERFLOW,
            "auto_topup_min_balance and auto_topup_amount together are more than an account can hold",
            {"field": "auto_topup_amount"},
        )
    return unsound(policy)
