"""Decisions about what a wallet is: created, changed, terminated."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from models.domain import ledger, money
from models.domain.accounts import Account, TopUpTrigger, Wallet, WalletStatus
from models.domain.auto_topup import due as autotopup
from models.domain.credits import balance as credits
from models.domain.credits.balance import Move
from models.domain.deciding.commands import Job, WalletCreate, WalletTerminate, WalletUpdate
from models.domain.deciding.decision import Decision, DecisionContext, entry_details, opened
from models.domain.events import EventType
from models.domain.jobs.wallets import NOT_FOUND, TERMINATED_REASON, posted, unstorable
from models.domain.outcome import Code, Refusal


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
    wallet = Wallet(
        **command.terms, metadata=job.metadata, status=WalletStatus.ACTIVE, min_balance=terms[0],
        top_up_amount=terms[1], due_at=None, crossing=0,
    )  # fmt: skip
    if refusal := _unsound(wallet):
        return refusal
    after = autotopup.noted(opened(command.target, context, "credit", command.scale, wallet, floor), context)
    return Decision(after, events=(EventType.WALLET_UPDATED,))


def update(command: WalletUpdate, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    if account is None:
        return NOT_FOUND
    assert isinstance(account.profile, Wallet)
    if account.profile.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    terms = _policy_units(command.min_balance, command.top_up_amount, account.scale)
    if isinstance(terms, Refusal):
        return terms
    amounts = {"min_balance": terms[0], "top_up_amount": terms[1]}
    given = {**command.changes, **{name: units for name, units in amounts.items() if units is not None}}
    wallet = replace(account.profile, **given)
    if given.get("trigger") is TopUpTrigger.BALANCE_BELOW_THRESHOLD:
        wallet = replace(wallet, suspended=None)
    if refusal := _unsound(wallet):
        return refusal
    changed = replace(account, profile=wallet, updated_at=context.now)
    if command.floor is not None:
        try:
            changed = replace(changed, floor=money.to_units(command.floor, account.scale))
        except (money.ScaleExceeded, money.Overflow) as error:
            return unstorable(error, "floor", account.scale)
    if refusal := _uncovered(changed, wallet, context):
        return refusal
    after, crossing = autotopup.follow(account, changed, context)
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
    profile = replace(account.profile, status=WalletStatus.CLOSED, due_at=None, wanted=None)
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
        closed = replace(account, profile=profile, updated_at=context.now)
        return Decision(closed, events=(EventType.WALLET_UPDATED,))
    move.balance = 0
    details = entry_details(job, context, ledger.EntryKind.TERMINATION, TERMINATED_REASON, command.description)
    decision = posted(move, details, context, before=account)
    return replace(decision, events=(*decision.events, EventType.WALLET_UPDATED))


def _policy_units(
    minimum: Decimal | None, amount: Decimal | None, scale: int
) -> tuple[int | None, int | None] | Refusal:
    try:
        units = [None if value is None else money.to_units(value, scale) for value in (minimum, amount)]
    except (money.ScaleExceeded, money.Overflow) as error:
        return unstorable(error, "auto_topup", scale)
    return units[0], units[1]


def _unsound(wallet: Wallet) -> Refusal | None:
    if wallet.trigger is TopUpTrigger.DISABLED:
        return None
    if not (wallet.min_balance and wallet.top_up_amount):
        return Refusal(
            Code.POLICY_INCOMPLETE,
            "auto_topup_min_balance and auto_topup_amount must be above zero when the trigger is on",
            {"field": "auto_topup_trigger"},
        )
    # A top-up is made below the minimum, so with this it always fits.
    if wallet.min_balance + wallet.top_up_amount > money.UNITS_MAX:
        return Refusal(
            Code.BALANCE_OVERFLOW,
            "auto_topup_min_balance and auto_topup_amount together are more than an account can hold",
            {"field": "auto_topup_amount"},
        )
    return None
