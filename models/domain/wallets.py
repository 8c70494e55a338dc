"""Decisions that move a wallet's credits: top-up, debit, auto top-up, expiry."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from models.domain import autotopup, grants, ledger, money
from models.domain.accounts import Account, Wallet, WalletStatus
from models.domain.commands import GrantExpire, Job, WalletAutoTopUp, WalletDebit, WalletTopUp
from models.domain.decision import Decision, Facts, note
from models.domain.events import EventType
from models.domain.outcome import Code, Refusal

EXPIRED_REASON = "CREDIT_EXPIRED"
TERMINATED_REASON = "WALLET_TERMINATION"
AUTO_TOP_UP_REASON = "PURCHASED_CREDIT_DIRECT"
NOT_FOUND = Refusal(Code.WALLET_NOT_FOUND, "Wallet not found")


def top_up(command: WalletTopUp, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    """Adds credits, as a grant when they expire or have a priority."""
    if account is None:
        return NOT_FOUND
    if refusal := closed_or_frozen(account):
        return refusal
    if command.expires_at is not None and command.expires_at <= facts.now:
        return Refusal(
            Code.EXPIRY_NOT_IN_FUTURE,
            "expiry_date_utc must be in the future",
            {"field": "expiry_date_utc", "input": command.expires_at.isoformat()},
        )
    units = _units(account, command.credits, command.amount, "credits_to_add")
    if isinstance(units, Refusal):
        return units
    if not ledger.fits(account, units):
        return Refusal(Code.BALANCE_OVERFLOW, "The balance would be larger than an account can hold")
    text = note(job, facts, ledger.EntryKind.CREDIT, command.reason, command.description)
    if command.expires_at is None and command.priority is None:
        return move(account, units, text)
    grant = grants.Grant(_grant_id(job), units, units, command.priority, command.expires_at, facts.now)
    return move(
        replace(account, grants=(*account.grants, grant)), units, replace(text, grant_id=grant.id), before=account
    )


def debit(command: WalletDebit, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    """Spends credits: grants in their order first, then the plain ones."""
    if account is None:
        return NOT_FOUND
    if refusal := closed_or_frozen(account):
        return refusal
    units = _units(account, command.credits, command.amount, "credits")
    if isinstance(units, Refusal):
        return units
    locked = grants.locked(account.grants, facts.now)
    if ledger.passes_floor(account, -units, locked):
        spendable = money.from_units(account.balance - locked - (account.floor or 0), account.scale)
        return Refusal(
            Code.INSUFFICIENT_FUNDS,
            "Insufficient credits",
            {
                "requested": money.text(money.from_units(units, account.scale)),
                "available": money.text(spendable),
            },
        )
    if not ledger.fits(account, -units):
        return Refusal(Code.BALANCE_OVERFLOW, "The balance would be lower than an account can hold")
    left, draws = grants.draw(account.grants, units, facts.now)
    text = replace(note(job, facts, ledger.EntryKind.DEBIT, command.reason, command.description), draws=draws)
    return move(replace(account, grants=left), -units, text, before=account)


def auto_top_up(command: WalletAutoTopUp, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    """Answers one crossing of the minimum with the amount that the policy says now."""
    if account is None:
        return NOT_FOUND
    assert isinstance(account.face, Wallet)
    wallet = account.face
    if wallet.due_at is None or wallet.crossing != command.crossing or not autotopup.in_force(wallet):
        return Refusal(Code.TOP_UP_NOT_DUE, "The balance has recovered or the policy has changed since the scan")
    assert wallet.top_up_amount is not None
    text = note(job, facts, ledger.EntryKind.CREDIT, AUTO_TOP_UP_REASON, "Auto top-up")
    return move(autotopup.fulfil(account), wallet.top_up_amount, text, before=account)


def expire(command: GrantExpire, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    """Takes what is left of an expired grant out of the balance. The floor is no obstacle: it was not spendable."""
    if account is None:
        return NOT_FOUND
    left, draws = grants.take(account.grants, command.grant_id, money.UNITS_MAX)
    if not draws:
        return Decision(account, Code.UNCHANGED)
    text = replace(
        note(job, facts, ledger.EntryKind.EXPIRY, EXPIRED_REASON, "Credits expired"),
        grant_id=command.grant_id,
        draws=draws,
    )
    return move(replace(account, grants=left), -draws[0][1], text, before=account)


def move(account: Account, units: int, text: ledger.Note, before: Account | None = None) -> Decision:
    """Posts to a wallet and follows its minimum. `before`: the account as it was, if `account` is changed already."""
    after, entry = ledger.post(account, units, text)
    after, crossing = autotopup.follow(before or account, after)
    return Decision(after, entry=entry, events=(EventType.WALLET_TRANSACTION_CREATED, *crossing))


def closed_or_frozen(account: Account) -> Refusal | None:
    assert isinstance(account.face, Wallet)
    if account.face.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    if account.face.status is WalletStatus.FROZEN:
        return Refusal(Code.WALLET_FROZEN, "Wallet is frozen")
    return None


def unstorable(error: money.ScaleExceeded | money.Overflow, field: str, scale: int) -> Refusal:
    """The refusal of a number that the account cannot hold."""
    if isinstance(error, money.ScaleExceeded):
        return Refusal(Code.SCALE_EXCEEDED, str(error), {"field": field, "scale": scale})
    return Refusal(Code.BALANCE_OVERFLOW, str(error), {"field": field})


def _units(account: Account, credits: Decimal | None, amount: Decimal | None, field: str) -> int | Refusal:
    """Units of credit: credits win when they are above zero, else the amount is divided by the conversion rate."""
    assert isinstance(account.face, Wallet)
    try:
        if credits is not None and credits > 0:
            units = money.to_units(credits, account.scale)
        elif amount is not None and amount > 0:
            field = "amount"
            units = money.divide_half_even(amount, account.face.conversion_rate, account.scale)
        else:
            return Refusal(Code.AMOUNT_MISSING, "Either credits or amount must be greater than zero")
    except (money.ScaleExceeded, money.Overflow) as error:
        return unstorable(error, field, account.scale)
    if units == 0:
        return Refusal(Code.AMOUNT_MISSING, "The amount is less than the smallest unit of credit", {"field": field})
    return units


def _grant_id(job: Job) -> UUID:
    # A job makes at most one grant, so the grant needs no id of its own.
    return job.id
