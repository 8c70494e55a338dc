"""What follows from a decision, whichever job it is: holds that ran out, and levels that were passed downwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from models.domain import money
from models.domain.accounts import Account
from models.domain.credits import balance as credits
from models.domain.credits.holds import HoldEnd, HoldVerb
from models.domain.deciding.decision import Decision, DecisionContext, Facts
from models.domain.events import EventType
from models.domain.ledger import Entry


def noticed(before: Account | None, decision: Decision, context: DecisionContext) -> Decision:
    """The decision with what is told beside its own events. Nearly all tell nothing here, and are handed on."""
    after, told = decision.account, dict[EventType, Facts]()
    if (run_out := _run_out(decision.entry, after)) or (run_out := _run_out(decision.bonus, after)):
        told[EventType.HOLD_EXPIRED] = {"holds": run_out}
    if after.low_at is not None and (crossed := _crossed(before, after, context)):
        level = credits.spendable(after, context.now)
        told[EventType.BALANCE_LOW] = {"thresholds": numbers(after, crossed), "level": _number(after, level)}
    if not told:
        return decision
    return replace(decision, events=(*decision.events, *told), facts={**(decision.facts or {}), **told})


def _run_out(entry: Entry | None, after: Account) -> list[dict[str, Any]]:
    """The holds that the entry gives back because their time is over: whichever move comes first writes that down."""
    if entry is None or not entry.details.holds:
        return []
    holds = {hold.id: hold for hold in after.holds if hold.ended is HoldEnd.EXPIRED}
    return [
        {
            "id": str(change.hold_id),
            "amount": _number(after, holds[change.hold_id].amount),
            "captured": _number(after, holds[change.hold_id].captured),
            "expired": _number(after, change.units),
            "expires_at": holds[change.hold_id].expires_at,
        }
        for change in entry.details.holds
        if change.verb is HoldVerb.RELEASE and change.hold_id in holds
    ]


def _crossed(before: Account | None, after: Account, context: DecisionContext) -> tuple[int, ...]:
    """The thresholds that what can be spent has fallen below since the account was changed last.

    What has expired since then fell in the meantime; this change is the first to tell. One that was not there yet is
    passed when it is set, if so much is not there any more.
    """
    assert after.low_at is not None
    if after.updated_at != context.now:
        return ()  # nothing has changed: the next change compares with the same level as this would
    known = () if before is None else before.low_at or ()
    was = 0 if before is None else credits.spendable(before, before.updated_at)
    level = credits.spendable(after, context.now)
    return tuple(each for each in after.low_at if level < each and (each not in known or was >= each))


def numbers(account: Account, units: tuple[int, ...]) -> list[Any]:
    """Units as bodies show them."""
    return [_number(account, each) for each in units]


def _number(account: Account, units: int) -> Any:
    return money.shown(units, account.scale)
