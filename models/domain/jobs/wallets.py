"""Decisions that move a wallet's credits: top-up and debit, and what all decisions about wallets share."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Literal

from models.domain import ledger, money
from models.domain.accounts import Account, Wallet, WalletStatus
from models.domain.auto_topup import due as autotopup
from models.domain.credits.balance import Move
from models.domain.credits.grants import Grant
from models.domain.deciding.commands import Bonus, Job, WalletDebit, WalletTopUp
from models.domain.deciding.decision import Decision, DecisionContext, entry_details
from models.domain.events import EventType
from models.domain.jobs.grant_terms import new_grant
from models.domain.outcome import Code, Refusal

TERMINATED_REASON = "WALLET_TERMINATION"
BONUS_REASON = "PURCHASED_CREDIT_BONUS"
FREE_REASONS = frozenset({"FREE_CREDIT_GRANT", "SUBSCRIPTION_CREDIT_GRANT", BONUS_REASON})
NOT_FOUND = Refusal(Code.WALLET_NOT_FOUND, "Wallet not found")
OVERFLOW = Refusal(Code.BALANCE_OVERFLOW, "The balance would be larger than an account can hold")


def top_up(command: WalletTopUp, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Adds credits, as a grant when they expire, begin later or have a priority. A debt is paid first."""
    if account is None:
        return NOT_FOUND
    if refusal := closed_or_frozen(account):
        return refusal
    units = units_of(account, command.credits, command.amount, "credits_to_add")
    if isinstance(units, Refusal):
        return units
    grant = new_grant(account, job, context, units, command.expires_at, command.priority, command.effective_at)
    if isinstance(grant, Refusal):
        return grant
    if not ledger.fits(account, units):
        return OVERFLOW
    details = entry_details(job, context, ledger.EntryKind.CREDIT, command.reason, command.description)
    after, entry = _add(account, units, grant, details, job, context)
    if command.bonus is None:
        return decided(after, entry, context)
    second = _bonus(command.bonus, after, command, job, context)
    if isinstance(second, Refusal):
        return second
    return replace(decided(second[0], entry, context), bonus=second[1])


def _bonus(
    bonus: Bonus, account: Account, command: WalletTopUp, job: Job, context: DecisionContext
) -> tuple[Account, ledger.Entry] | Refusal:
    """The second entry of the job: free credits with an expiry of their own."""
    field = "bonus_credits_to_add"
    units = units_of(account, bonus.credits, None, field)
    if isinstance(units, Refusal):
        return units
    grant = new_grant(account, job, context, units, bonus.expires_at, None, command.effective_at, bonus=True)
    if isinstance(grant, Refusal):
        return grant
    if not ledger.fits(account, units):
        return OVERFLOW
    details = entry_details(job, context, ledger.EntryKind.CREDIT, BONUS_REASON, command.description)
    return _add(account, units, grant, replace(details, part=1), job, context)


def _add(
    account: Account, units: int, grant: Grant | None, details: ledger.EntryDetails, job: Job, context: DecisionContext
) -> tuple[Account, ledger.Entry]:
    move = Move(account, context.now, job.occurred_at, context.limits.expiry_grace)
    if grant is None:
        move.balance += units
    else:
        move.add(grant)
        details = replace(details, grant_id=grant.id)
    return move.post(details)


def debit(command: WalletDebit, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Spends credits: grants in their order first, then the plain ones."""
    if account is None:
        return NOT_FOUND
    if refusal := closed_or_frozen(account) or price_type_refused(account, command.price_type):
        return refusal
    units = units_of(account, command.credits, command.amount, "credits")
    if isinstance(units, Refusal):
        return units
    extra = 0
    if command.overdraft:
        try:
            extra = money.to_units(command.overdraft, account.scale)
        except (money.ScaleExceeded, money.Overflow) as error:
            return unstorable(error, "overdraft", account.scale)
    move = Move(account, context.now, job.occurred_at, context.limits.expiry_grace)
    if refused := short(move, units, context, extra):
        return refused
    if not ledger.fits(account, -units):
        return Refusal(Code.BALANCE_OVERFLOW, "The balance would be lower than an account can hold")
    move.draw(units)
    return posted(
        move, entry_details(job, context, ledger.EntryKind.DEBIT, command.reason, command.description), context
    )


def origin(details: ledger.EntryDetails) -> Literal["purchased", "free"] | None:
    """Whether credits that were added were paid for, in some way, or given; None when an entry adds none."""
    if details.kind is not ledger.EntryKind.CREDIT:
        return None
    return "free" if details.reason in FREE_REASONS else "purchased"


# --- what decisions about wallets share


def posted(move: Move, details: ledger.EntryDetails, context: DecisionContext) -> Decision:
    """The decision that the move makes."""
    after, entry = move.post(details)
    return decided(after, entry, context)


def decided(after: Account, entry: ledger.Entry, context: DecisionContext) -> Decision:
    """The decision with what follows from the new level."""
    after, crossing = autotopup.follow(after, context)
    return Decision(after, entry=entry, events=(EventType.WALLET_TRANSACTION_CREATED, *crossing))


def short(move: Move, units: int, context: DecisionContext, overdraft: int = 0) -> Decision | Refusal | None:
    """The refusal when the move may not spend so many units, and what its refusal leads to; None when it may."""
    account = move.account
    assert isinstance(account.profile, Wallet)
    if account.floor is None or move.spendable - units >= account.floor:
        return None
    if overdraft:
        if move.spendable - units >= account.floor - overdraft and account.profile.overdraft_allowed:
            return None
        if not account.profile.overdraft_allowed:
            return Refusal(Code.OVERDRAFT_NOT_ALLOWED, "The wallet allows no overdraft", {"field": "overdraft"})
    available = money.from_units(move.spendable - account.floor + overdraft, account.scale)
    requested = money.text(money.from_units(units, account.scale))
    refusal = Refusal(
        Code.INSUFFICIENT_FUNDS,
        "Insufficient credits",
        {"requested": requested, "available": money.text(available)},
    )
    after = autotopup.wants(account, units + account.floor - overdraft, context)
    return refusal if after is None else Decision(after, refusal.code, refusal=refusal)


def closed_or_frozen(account: Account) -> Refusal | None:
    assert isinstance(account.profile, Wallet)
    if account.profile.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    if account.profile.status is WalletStatus.FROZEN:
        return Refusal(Code.WALLET_FROZEN, "Wallet is frozen")
    return None


def price_type_refused(account: Account, price_type: str | None) -> Refusal | None:
    """What the wallet's config says about paying for this type of price."""
    assert isinstance(account.profile, Wallet)
    allowed = account.profile.config.get("allowed_price_types", ["ALL"])
    if price_type is None or "ALL" in allowed or price_type in allowed:
        return None
    return Refusal(
        Code.PRICE_TYPE_NOT_ALLOWED,
        "The wallet does not pay for prices of this type",
        {"field": "price_type", "input": price_type, "allowed": list(allowed)},
    )


def unstorable(error: money.ScaleExceeded | money.Overflow, field: str, scale: int) -> Refusal:
    """The refusal of a number that the account cannot hold."""
    if isinstance(error, money.ScaleExceeded):
        return Refusal(Code.SCALE_EXCEEDED, str(error), {"field": field, "scale": scale})
    return Refusal(Code.BALANCE_OVERFLOW, str(error), {"field": field})


def units_of(account: Account, credits: Decimal | None, amount: Decimal | None, field: str) -> int | Refusal:
    """Units of credit: credits win when they are above zero, else the amount is divided by the conversion rate."""
    assert isinstance(account.profile, Wallet)
    try:
        if credits is not None and credits > 0:
            units = money.to_units(credits, account.scale)
        elif amount is not None and amount > 0:
            field = "amount"
            units = money.divide_half_even(amount, account.profile.conversion_rate, account.scale)
        else:
            return Refusal(Code.AMOUNT_MISSING, "Either credits or amount must be greater than zero")
    except (money.ScaleExceeded, money.Overflow) as error:
        return unstorable(error, field, account.scale)
    if units == 0:
        return Refusal(Code.AMOUNT_MISSING, "The amount is less than the smallest unit of credit", {"field": field})
    return units
