"""Decisions about what a wallet is: created, changed, terminated."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from models.domain import autotopup, ledger, money
from models.domain.accounts import Account, TopUpTrigger, Wallet, WalletStatus
from models.domain.commands import Job, WalletCreate, WalletTerminate, WalletUpdate
from models.domain.decision import Decision, Facts, note, opened
from models.domain.events import EventType
from models.domain.outcome import Code, Refusal
from models.domain.wallets import NOT_FOUND, TERMINATED_REASON, move, unstorable


def create(command: WalletCreate, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    if account is not None:
        return Refusal(Code.WALLET_EXISTS, "A wallet with this id exists", {"wallet_id": command.target.ref})
    terms = _policy_units(command.policy.min_balance, command.policy.amount, command.scale)
    if isinstance(terms, Refusal):
        return terms
    try:
        floor = money.to_units(command.floor, command.scale)
    except (money.ScaleExceeded, money.Overflow) as error:
        return unstorable(error, "floor", command.scale)
    wallet = Wallet(
        customer_id=command.customer_id,
        name=command.name,
        description=command.description,
        currency=command.currency,
        wallet_type=command.wallet_type,
        status=WalletStatus.ACTIVE,
        conversion_rate=command.conversion_rate,
        config=command.config,
        metadata=job.metadata,
        trigger=command.policy.trigger,
        min_balance=terms[0],
        top_up_amount=terms[1],
        due_at=None,
        crossing=0,
    )
    if refusal := _unsound(wallet):
        return refusal
    after = opened(command.target, facts, "credit", command.scale, wallet, floor)
    # A new wallet is not below its minimum by having fallen: the policy waits for the first debit.
    return Decision(after, events=(EventType.WALLET_UPDATED,))


def update(command: WalletUpdate, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    if account is None:
        return NOT_FOUND
    assert isinstance(account.face, Wallet)
    if account.face.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    terms = _policy_units(command.min_balance, command.top_up_amount, account.scale)
    if isinstance(terms, Refusal):
        return terms
    given: dict[str, Any] = {
        "name": command.name,
        "description": command.description,
        "metadata": command.metadata,
        "config": command.config,
        "status": command.status,
        "trigger": command.trigger,
        "min_balance": terms[0],
        "top_up_amount": terms[1],
    }
    wallet = replace(account.face, **{field: value for field, value in given.items() if value is not None})
    if refusal := _unsound(wallet):
        return refusal
    after, crossing = autotopup.follow(account, replace(account, face=wallet, updated_at=facts.now))
    return Decision(after, events=(EventType.WALLET_UPDATED, *crossing))


def terminate(command: WalletTerminate, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    """Takes what is left, expired or not, and closes. A wallet in debt stays open: a write-off is a decision."""
    if account is None:
        return NOT_FOUND
    assert isinstance(account.face, Wallet)
    if account.face.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    draws = tuple((grant.id, grant.remaining) for grant in account.grants if grant.remaining)
    # At zero with grants, a debt of plain credits hides behind them: no entry could tell where the grants went.
    if account.balance < 0 or (account.balance == 0 and draws):
        return Refusal(Code.WALLET_IN_DEBT, "The wallet owes credits; settle them before terminating")
    wallet = replace(account.face, status=WalletStatus.CLOSED, due_at=None)
    emptied = tuple(replace(grant, remaining=0) for grant in account.grants)
    closed = replace(account, face=wallet, grants=emptied, updated_at=facts.now)
    if account.balance == 0:
        return Decision(closed, events=(EventType.WALLET_UPDATED,))
    text = note(job, facts, ledger.EntryKind.TERMINATION, TERMINATED_REASON, command.description)
    moved = move(closed, -account.balance, replace(text, draws=draws), before=account)
    return replace(moved, events=(*moved.events, EventType.WALLET_UPDATED))


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
