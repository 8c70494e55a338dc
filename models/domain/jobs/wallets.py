"""Decisions that move a wallet's credits: top-up, debit, auto top-up, and what time does to grants."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Literal

from models.domain import auto_topup as autotopup
from models.domain import ledger, money
from models.domain.accounts import Account, Wallet, WalletStatus
from models.domain.credits.balance import Move
from models.domain.credits.grant_terms import new_grant
from models.domain.credits.grants import Grant
from models.domain.events import EventType
from models.domain.jobs.commands import Bonus, Job, WalletAutoTopUp, WalletDebit, WalletTopUp
from models.domain.jobs.decision import Decision, Facts, note
from models.domain.outcome import Code, Refusal

TERMINATED_REASON = "WALLET_TERMINATION"
BONUS_REASON = "PURCHASED_CREDIT_BONUS"
FREE_REASONS = frozenset({"FREE_CREDIT_GRANT", "SUBSCRIPTION_CREDIT_GRANT", BONUS_REASON})
AUTO_TOP_UP_REASON = "PURCHASED_CREDIT_DIRECT"
NOT_FOUND = Refusal(Code.WALLET_NOT_FOUND, "Wallet not found")
OVERFLOW = Refusal(Code.BALANCE_OVERFLOW, "The balance would be larger than an account can hold")


def top_up(command: WalletTopUp, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    """Adds credits, as a grant when they expire, begin later or have a priority. A debt is paid first."""
    if account is None:
        return NOT_FOUND
    if refusal := closed_or_frozen(account):
        return refusal
    units = units_of(account, command.credits, command.amount, "credits_to_add")
    if isinstance(units, Refusal):
        return units
    grant = new_grant(account, job, facts, units, command.expires_at, command.priority, command.effective_at)
    if isinstance(grant, Refusal):
        return grant
    if not ledger.fits(account, units):
        return OVERFLOW
    text = note(job, facts, ledger.EntryKind.CREDIT, command.reason, command.description)
    after, entry = _add(account, units, grant, text, job, facts)
    if command.bonus is None:
        return decided(account, after, entry, facts)
    second = _bonus(command.bonus, after, command, job, facts)
    if isinstance(second, Refusal):
        return second
    return replace(decided(account, second[0], entry, facts), bonus=second[1])


def _bonus(
    bonus: Bonus, account: Account, command: WalletTopUp, job: Job, facts: Facts
) -> tuple[Account, ledger.Entry] | Refusal:
    """The second entry of the job: free credits with an expiry of their own."""
    field = "bonus_credits_to_add"
    units = units_of(account, bonus.credits, None, field)
    if isinstance(units, Refusal):
        return units
    grant = new_grant(account, job, facts, units, bonus.expires_at, None, command.effective_at, bonus=True)
    if isinstance(grant, Refusal):
        return grant
    if not ledger.fits(account, units):
        return OVERFLOW
    text = note(job, facts, ledger.EntryKind.CREDIT, BONUS_REASON, command.description)
    return _add(account, units, grant, replace(text, part=1), job, facts)


def _add(
    account: Account, units: int, grant: Grant | None, text: ledger.Note, job: Job, facts: Facts
) -> tuple[Account, ledger.Entry]:
    move = Move(account, facts.now, job.occurred_at, facts.limits.expiry_grace)
    if grant is None:
        move.balance += units
    else:
        move.add(grant)
        text = replace(text, grant_id=grant.id)
    return move.post(text)


def debit(command: WalletDebit, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
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
    move = Move(account, facts.now, job.occurred_at, facts.limits.expiry_grace)
    if refused := short(move, units, facts, extra):
        return refused
    if not ledger.fits(account, -units):
        return Refusal(Code.BALANCE_OVERFLOW, "The balance would be lower than an account can hold")
    move.draw(units)
    return posted(move, note(job, facts, ledger.EntryKind.DEBIT, command.reason, command.description), facts)


def auto_top_up(command: WalletAutoTopUp, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    """Takes the look that has this number: tops up by what the policy says now, or notes when to look again."""
    if account is None:
        return NOT_FOUND
    assert isinstance(account.face, Wallet)
    wallet = account.face
    if wallet.due_at is None or wallet.crossing != command.crossing:
        return Refusal(Code.TOP_UP_NOT_DUE, "The balance has recovered or the policy has changed since the scan")
    ready = None if wallet.topped_up_at is None else wallet.topped_up_at + facts.limits.top_up_cooldown
    if not autotopup.due(account, facts.now) or (ready is not None and ready > facts.now):
        return Decision(autotopup.looked(account, facts), Code.UNCHANGED)
    assert wallet.top_up_amount is not None
    filled = replace(account, face=replace(wallet, due_at=None, wanted=None, topped_up_at=facts.now))
    move = Move(filled, facts.now)
    move.balance += wallet.top_up_amount
    text = note(job, facts, ledger.EntryKind.CREDIT, AUTO_TOP_UP_REASON, "Auto top-up")
    return posted(move, text, facts, before=account)


def origin(text: ledger.Note) -> Literal["purchased", "free"] | None:
    """Whether credits that were added were paid for, in some way, or given; None when an entry adds none."""
    if text.kind is not ledger.EntryKind.CREDIT:
        return None
    return "free" if text.reason in FREE_REASONS else "purchased"


# --- what decisions about wallets share


def posted(move: Move, text: ledger.Note, facts: Facts, before: Account | None = None) -> Decision:
    """The decision that the move makes. `before`: the account as it was, if the move began with a changed one."""
    after, entry = move.post(text)
    return decided(before or move.account, after, entry, facts)


def decided(before: Account, after: Account, entry: ledger.Entry, facts: Facts) -> Decision:
    """The decision with what follows from the new level."""
    after, crossing = autotopup.follow(before, after, facts)
    return Decision(after, entry=entry, events=(EventType.WALLET_TRANSACTION_CREATED, *crossing))


def short(move: Move, units: int, facts: Facts, overdraft: int = 0) -> Decision | Refusal | None:
    """The refusal when the move may not spend so many units, and what its refusal leads to; None when it may."""
    account = move.account
    assert isinstance(account.face, Wallet)
    if account.floor is None or move.spendable - units >= account.floor:
        return None
    if overdraft:
        if move.spendable - units >= account.floor - overdraft and account.face.overdraft_allowed:
            return None
        if not account.face.overdraft_allowed:
            return Refusal(Code.OVERDRAFT_NOT_ALLOWED, "The wallet allows no overdraft", {"field": "overdraft"})
    available = money.from_units(move.spendable - account.floor + overdraft, account.scale)
    requested = money.text(money.from_units(units, account.scale))
    refusal = Refusal(
        Code.INSUFFICIENT_FUNDS,
        "Insufficient credits",
        {"requested": requested, "available": money.text(available)},
    )
    after = autotopup.wants(account, units + account.floor - overdraft, facts)
    return refusal if after is None else Decision(after, refusal.code, refusal=refusal)


def closed_or_frozen(account: Account) -> Refusal | None:
    assert isinstance(account.face, Wallet)
    if account.face.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    if account.face.status is WalletStatus.FROZEN:
        return Refusal(Code.WALLET_FROZEN, "Wallet is frozen")
    return None


def price_type_refused(account: Account, price_type: str | None) -> Refusal | None:
    """What the wallet's config says about paying for this type of price."""
    assert isinstance(account.face, Wallet)
    allowed = account.face.config.get("allowed_price_types", ["ALL"])
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
