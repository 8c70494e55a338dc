"""Setting a wallet right that broke a rule before the rule was kept: by one more entry, never by a change."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from models.domain import money
from models.domain.accounts import Account, Kind
from models.domain.commands import AccountRepair, Job
from models.domain.credits import Move
from models.domain.decision import Decision, Facts, note
from models.domain.ledger import EntryKind
from models.domain.outcome import Code, Refusal
from models.domain.wallets import NOT_FOUND, posted

CORRECTED_REASON: Final = "LEDGER_CORRECTION"


def repair(command: AccountRepair, account: Account | None, job: Job, facts: Facts) -> Decision | Refusal:
    """Posts the difference to what is right. Refused when entries have been written since that was worked out."""
    if account is None or account.key.kind is not Kind.WALLET:
        return NOT_FOUND
    if account.seq != command.seq:
        return Refusal(Code.SUPERSEDED, "Entries were written since; look again", {"seq": account.seq})
    if abs(command.balance) > money.UNITS_MAX:
        return Refusal(Code.BALANCE_OVERFLOW, "The balance would be larger than an account can hold")
    right = [
        replace(grant, remaining=told.remaining, reversed=told.reversed, expired=told.expired, voided=told.voided)
        if (told := command.grants.get(grant.id)) is not None
        else grant
        for grant in account.grants
    ]
    # What time has brought since the last entry comes on top of what is right, not of what was wrong.
    move = Move(replace(account, grants=tuple(right), balance=command.balance), facts.now)
    move.account = account
    for grant, corrected in zip(account.grants, right, strict=True):
        if taken := grant.remaining - corrected.remaining:
            move.draws.append((grant.id, taken))
    text = note(job, facts, EntryKind.CORRECTION, CORRECTED_REASON, command.reason)
    return posted(move, replace(text, metadata={"operator": command.operator}), facts)
