"""Taking an entry back, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from models.domain import autotopup, grants, ledger
from models.domain.accounts import Account, Kind, Wallet, WalletStatus
from models.domain.commands import EntryReverse, Job
from models.domain.decision import Decision, Facts, note
from models.domain.events import EventType
from models.domain.outcome import Code, Refusal

# What the system itself took away stays away; a reversal is corrected by a new job, not by another reversal.
_FINAL: Final = {ledger.EntryKind.REVERSAL, ledger.EntryKind.EXPIRY, ledger.EntryKind.TERMINATION}
_EVENT: Final = {
    Kind.USER: EventType.USER_BALANCE_UPDATED,
    Kind.WALLET: EventType.WALLET_TRANSACTION_CREATED,
    Kind.APP: EventType.APP_BALANCE_UPDATED,
}


def reverse(command: EntryReverse, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    """Posts the opposite amount. With `force` the floor does not hold it back: the customer may be left in debt."""
    original = facts.originals.get(command.target.job_id)
    if account is None or original is None:
        return Refusal(
            Code.JOB_NOT_FOUND, "No entry was written by a job with this id", {"job_id": str(command.target.job_id)}
        )
    if original.note.kind in _FINAL:
        return Refusal(
            Code.NOT_REVERSIBLE,
            f"An entry of kind {original.note.kind.value} cannot be reversed",
            {"entry": original.id},
        )
    if (account.id, original.seq) in facts.reversed:
        return Refusal(Code.ALREADY_REVERSED, "The entry has already been reversed", {"entry": original.id})
    if isinstance(account.face, Wallet) and account.face.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    amount = -original.amount
    if not ledger.fits(account, amount):
        return Refusal(Code.BALANCE_OVERFLOW, "The balance would be larger than an account can hold")
    left, draws = _settle_grants(account, original, facts)
    if amount < 0 and not command.force and not _covered(account, original, draws, facts):
        return Refusal(
            Code.INSUFFICIENT_FUNDS,
            "The funds have been spent; use force to reverse all the same",
            {"entry": original.id, "balance": account.balance, "amount": amount},
        )
    text = note(job, facts, ledger.EntryKind.REVERSAL, original.note.reason, command.description)
    text = replace(text, draws=draws, reverses=original.seq, listed=original.note.listed)
    after, entry = ledger.post(replace(account, grants=left), amount, text)
    events: tuple[EventType, ...] = (_EVENT[account.key.kind],) if original.note.listed else ()
    if isinstance(account.face, Wallet):
        after, crossing = autotopup.follow(account, after)
        events += crossing
    return Decision(after, entry=entry, events=events)


def _settle_grants(
    account: Account, original: ledger.Entry, facts: Facts
) -> tuple[tuple[grants.Grant, ...], tuple[grants.Draw, ...]]:
    if original.note.grant_id is not None:
        return grants.take(account.grants, original.note.grant_id, original.amount)
    if original.note.draws:
        return grants.restore(account.grants, original.note.draws, facts.now)
    return account.grants, ()


def _covered(account: Account, original: ledger.Entry, draws: tuple[grants.Draw, ...], facts: Facts) -> bool:
    """Whether what is taken back is still there: of a grant in the grant itself, else in the spendable balance."""
    if original.note.grant_id is not None:
        return sum(units for _, units in draws) == original.amount
    held = sum(grant.remaining for grant in account.grants)
    return not ledger.passes_floor(account, -original.amount, held)
