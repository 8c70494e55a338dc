"""Taking back what a job wrote, in whole or in part: what is still there to be taken, and never twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from uuid import UUID

from models.domain import money
from models.domain.accounts import Account, App, Kind, Wallet, WalletStatus
from models.domain.auto_topup import due as autotopup
from models.domain.credits.balance import Move
from models.domain.credits.grants import Grant
from models.domain.credits.holds import HoldVerb
from models.domain.deciding.commands import BOUGHT, EntryReverse, Job
from models.domain.deciding.decision import Decision, DecisionContext, Original, entry_details
from models.domain.events import EventType
from models.domain.jobs.wallets import OVERFLOW, units_of, unstorable
from models.domain.ledger import Entry, EntryKind
from models.domain.outcome import Code, Refusal

# What a user or publisher has moved can be taken back. What the system took away stays away, a hold is released, and a
# reversal is corrected by a new job, not by another reversal.
REVERSIBLE: Final = {
    EntryKind.DEPOSIT,
    EntryKind.WITHDRAWAL,
    EntryKind.CREDIT,
    EntryKind.DEBIT,
    EntryKind.CAPTURE,
    EntryKind.SET,
}
_EVENT: Final = {
    Kind.USER: EventType.USER_BALANCE_UPDATED,
    Kind.WALLET: EventType.WALLET_TRANSACTION_CREATED,
    Kind.APP: EventType.APP_BALANCE_UPDATED,
}


def reverse(command: EntryReverse, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Posts the opposite amount. With `force` neither the floor nor the rule of an app holds it back.

    A reversal takes back what is still there to be taken: the amount less what has expired or been voided and less what
    has been reversed. When nothing is, the balance is right already.
    """
    original = context.originals.get(command.target.job_id)
    if account is None or original is None:
        return Refusal(
            Code.JOB_NOT_FOUND, "No entry was written by a job with this id", {"job_id": str(command.target.job_id)}
        )
    if refusal := _forbidden(command, original, account, job, context):
        return refusal
    asked = _units(command, account)
    if isinstance(asked, Refusal):
        return asked
    if asked is not None and asked > (open_ := sum(_unreversed(entry, context) for entry in original.entries)) > 0:
        return Refusal(
            Code.REVERSAL_EXCEEDS_ENTRY,
            "More is asked back than has not been reversed yet",
            {"entry": original.entries[0].id, "requested": asked, "left": open_},
        )
    return take_back(command, account, original, asked, job, context)


def take_back(
    command: EntryReverse, account: Account, original: Original, asked: int | None, job: Job, context: DecisionContext
) -> Decision | Refusal:
    """Takes back so many units of what the job wrote; None: all that can be."""
    before, written = account, list[Entry]()
    if original.name in BOUGHT:
        account = refunded(account)
    for entry in original.entries:
        move = Move(account, context.now)
        left = _left(entry, move, context)
        units = left if asked is None else min(left, asked)
        if not units:
            continue
        if refusal := _undo(command, entry, move, units, context):
            return refusal
        details = entry_details(
            job, context, EntryKind.REVERSAL, entry.details.reason, command.description, listed=entry.details.listed
        )
        account, posted = move.post(replace(details, reverses=entry.seq, part=len(written)))
        written.append(posted)
        asked = None if asked is None else asked - units
    if not written:
        return Decision(before, Code.UNCHANGED)
    listed = original.entries[0].details.listed
    events: tuple[EventType, ...] = (_EVENT[account.key.kind],) if listed else ()
    if account.policy is not None and account.policy.suspended and not (before.policy and before.policy.suspended):
        events = (*events, EventType.AUTO_TOP_UP_SUSPENDED)
    account, crossing = autotopup.follow(account, context)
    return Decision(
        account, entry=written[0], events=(*events, *crossing), bonus=written[1] if len(written) > 1 else None
    )


def refunded(account: Account) -> Account:
    """Who is given the money back does not want to buy it again."""
    if account.policy is None:
        return account
    return autotopup.changed(account, suspended=autotopup.REFUNDED, due_at=None, wanted=None)


def _undo(command: EntryReverse, entry: Entry, move: Move, units: int, context: DecisionContext) -> Refusal | None:
    """Takes the units of the entry back, or says why not."""
    account = move.account
    amount = units if entry.amount < 0 else -units
    if abs(move.balance + amount) > money.UNITS_MAX:
        return OVERFLOW
    if amount > 0:
        if isinstance(account.profile, App) and account.profile.decrease_only and not command.force:
            return Refusal(
                Code.DECREASE_ONLY,
                "The balance of this app may only decrease; use force to reverse all the same",
                {"balance": account.balance, "amount": amount},
            )
        for grant_id, part in _undrawn(entry, context.reversed.get((entry.account_id, entry.seq), 0), units):
            move.restore(grant_id, part)
        move.balance += amount
        return None
    grant = _grant(entry, move)
    there = 0 if grant is None or grant.lapsed(context.now) else min(units, grant.remaining)
    plain_enough = account.floor is None or move.plain - units >= account.floor
    if not command.force and not (plain_enough if entry.details.grant_id is None else there == units):
        return Refusal(
            Code.INSUFFICIENT_FUNDS,
            "The funds have been spent; use force to reverse all the same",
            {"entry": entry.id, "balance": account.balance, "amount": amount},
        )
    if grant is not None:
        move.take(grant.id, there)
        after = move.grants[grant.id]
        after = replace(after, reversed=after.reversed + units)
        move.grants[grant.id] = after
        move.unback(grant.id, max(0, -after.spent))
    move.balance += amount
    move.pay_debt()
    if command.force:
        move.cut_holds(account.floor)
    return None


def _forbidden(
    command: EntryReverse, original: Original, account: Account, job: Job, context: DecisionContext
) -> Refusal | None:
    first = original.entries[0]
    if not context.limits.may_reverse(job.producer, original.producer):
        return Refusal(
            Code.NOT_YOUR_JOB,
            "The job is another producer's, and BALANCE_PRODUCERS does not name this one for it",
            {"entry": first.id, "producer": original.producer},
        )
    if first.details.kind not in REVERSIBLE:
        kind = first.details.kind.value
        return Refusal(Code.NOT_REVERSIBLE, f"An entry of kind {kind} cannot be reversed", {"entry": first.id})
    if isinstance(account.profile, Wallet) and account.profile.status is WalletStatus.CLOSED:
        return Refusal(Code.WALLET_CLOSED, "Wallet is closed")
    return None


def _units(command: EntryReverse, account: Account) -> int | Refusal | None:
    """How many units are asked back, in the account's unit; None: all that can be."""
    if command.credits is None and command.amount is None:
        return None
    if isinstance(account.profile, Wallet):
        return units_of(account, command.credits, command.amount, "credits")
    if command.amount is None or command.amount <= 0:
        unit = "kopeks" if account.key.kind is Kind.USER else "the app's units"
        return Refusal(Code.AMOUNT_MISSING, f"The part is given as amount, in {unit}, above zero", {"field": "amount"})
    try:
        return money.to_units(command.amount, 0)  # kopeks and the units of apps are whole numbers
    except (money.ScaleExceeded, money.Overflow) as error:
        return unstorable(error, "amount", 0)


def _unreversed(entry: Entry, context: DecisionContext) -> int:
    return abs(entry.amount) - context.reversed.get((entry.account_id, entry.seq), 0)


def _left(entry: Entry, move: Move, context: DecisionContext) -> int:
    """What is still there to be taken. What is left of an expired grant has expired, the sweep or not."""
    grant = _grant(entry, move)
    gone = 0
    if grant is not None:
        gone = grant.expired + grant.voided + (grant.remaining if grant.lapsed(context.now) else 0)
    return max(0, _unreversed(entry, context) - gone)


def _grant(entry: Entry, move: Move) -> Grant | None:
    return None if entry.details.grant_id is None else move.grants.get(entry.details.grant_id)


def _undrawn(entry: Entry, reversed_: int, units: int) -> Iterator[tuple[UUID, int]]:
    """The grants that `units` of a debit came from, when `reversed_` were taken back before: what was drawn last comes
    back first, as if less had been debited."""
    drawn = [*entry.details.draws]
    for change in entry.details.holds:
        if change.verb is HoldVerb.CAPTURE:
            drawn += [(part.grant_id, -part.held) for part in change.parts]
    plain = -entry.amount - sum(part for _, part in drawn)
    skipped = max(0, reversed_ - plain)
    left = max(0, units - max(0, plain - reversed_))
    for grant_id, part in reversed(drawn):
        passed = min(skipped, part)
        skipped -= passed
        if taken := min(left, part - passed):
            left -= taken
            yield grant_id, taken
