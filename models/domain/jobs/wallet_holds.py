"""Decisions about holds: made, captured, released, run out."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from models.domain import ledger, money
from models.domain.accounts import Account
from models.domain.credits.balance import Move
from models.domain.credits.holds import Hold, HoldEnd
from models.domain.deciding.commands import EntryOfJob, HoldCapture, HoldExpire, HoldRelease, Job, WalletHold
from models.domain.deciding.decision import Decision, DecisionContext, entry_details
from models.domain.jobs.wallets import NOT_FOUND, closed_or_frozen, posted, price_type_refused, short, units_of
from models.domain.outcome import Code, Refusal

LASTS: Final = timedelta(hours=1)
LASTS_MAX: Final = timedelta(days=30)


def hold(command: WalletHold, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Reserves credits: less can be spent, and the balance stays."""
    if account is None:
        return NOT_FOUND
    if refusal := closed_or_frozen(account) or price_type_refused(account, command.price_type):
        return refusal
    expires_at = command.expires_at or context.now + (command.lasts or LASTS)
    if expires_at <= context.now:
        return Refusal(
            Code.EXPIRY_NOT_IN_FUTURE,
            "expires_at must be in the future",
            {"field": "expires_at", "input": expires_at.isoformat()},
        )
    if expires_at > context.now + LASTS_MAX:
        return Refusal(
            Code.HOLD_TOO_LONG,
            f"A hold lasts {LASTS_MAX.days} days at the most",
            {"field": "expires_at", "input": expires_at.isoformat()},
        )
    units = units_of(account, command.credits, command.amount, "credits")
    if isinstance(units, Refusal):
        return units
    move = Move(account, context.now, job.occurred_at, context.limits.expiry_grace)
    if refused := short(move, units, context):
        return refused
    if move.held + units > money.UNITS_MAX:
        return Refusal(Code.BALANCE_OVERFLOW, "More would be held than an account can hold")
    move.hold(Hold(job.id, units, units, 0, (), expires_at, context.now))
    return posted(move, entry_details(job, context, ledger.EntryKind.HOLD, None, command.description), context)


def capture(command: HoldCapture, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Spends what a hold has reserved, all or a part of it."""
    found = _open_hold(command.target, account, context)
    if isinstance(found, Refusal):
        return found
    assert account is not None
    if refusal := closed_or_frozen(account):
        return refusal
    units: int | Refusal = found.remaining
    if command.credits is not None or command.amount is not None:
        units = units_of(account, command.credits, command.amount, "credits")
    if isinstance(units, Refusal):
        return units
    if units > found.remaining:
        return Refusal(
            Code.CAPTURE_EXCEEDS_HOLD,
            "More is captured than is left of the hold; take the rest with a debit of its own",
            {
                "requested": money.text(money.from_units(units, account.scale)),
                "left": money.text(money.from_units(found.remaining, account.scale)),
            },
        )
    if not ledger.fits(account, -units):
        return Refusal(Code.BALANCE_OVERFLOW, "The balance would be lower than an account can hold")
    move = Move(account, context.now)
    move.capture(found.id, units)
    if command.final and (rest := move.holds[found.id].remaining):
        move.release(found.id, rest, HoldEnd.CAPTURED)
    return posted(
        move, entry_details(job, context, ledger.EntryKind.CAPTURE, command.reason, command.description), context
    )


def release(command: HoldRelease, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Gives back what is left of a hold. A frozen wallet may: nothing leaves it."""
    found = _open_hold(command.target, account, context)
    if isinstance(found, Refusal):
        return found
    assert account is not None
    move = Move(account, context.now)
    move.release(found.id, found.remaining, HoldEnd.RELEASED)
    return posted(move, entry_details(job, context, ledger.EntryKind.RELEASE, None, command.description), context)


def expire(command: HoldExpire, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Writes down that holds have run out. They have not counted since then."""
    if account is None:
        return NOT_FOUND
    move = Move(account, context.now)
    if not move.changes:
        return Decision(account, Code.UNCHANGED)
    return posted(move, entry_details(job, context, ledger.EntryKind.RELEASE, None, "Hold expired"), context)


def _open_hold(target: EntryOfJob, account: Account | None, context: DecisionContext) -> Hold | Refusal:
    """The hold that the job made, when something is left of it."""
    details = {"job_id": str(target.job_id)}
    original = context.originals.get(target.job_id)
    if account is None or original is None or original.entries[0].details.kind is not ledger.EntryKind.HOLD:
        return Refusal(Code.HOLD_NOT_FOUND, "No hold was made by a job with this id", details)
    found = next((hold for hold in account.holds if hold.id == target.job_id), None)
    assert found is not None, f"the hold of job {target.job_id} has an entry and no row"
    if found.ended is HoldEnd.EXPIRED or (found.ended is None and found.lapsed(context.now)):
        details["expired_at"] = found.expires_at.isoformat()
        return Refusal(Code.HOLD_EXPIRED, "The hold has expired; take what is owed with a debit of its own", details)
    if found.ended is not None:
        details["ended"] = found.ended.value
        return Refusal(Code.HOLD_CLOSED, f"Nothing is left of the hold: it was {found.ended.value}", details)
    return found
