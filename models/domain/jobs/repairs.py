"""Setting a wallet right that broke a rule before the rule was kept: by one more entry, never by a change."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from models.domain import ledger
from models.domain.accounts import Account, Kind
from models.domain.credits.balance import Move
from models.domain.credits.grants import Grant
from models.domain.deciding.commands import AccountRepair, Job
from models.domain.deciding.decision import Decision, DecisionContext, entry_details
from models.domain.jobs.wallets import NOT_FOUND, OVERFLOW, posted
from models.domain.outcome import Code, Refusal

CORRECTED_REASON: Final = "LEDGER_CORRECTION"


def repair(command: AccountRepair, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Posts the difference to what is right. Refused when entries have been written since that was worked out."""
    if account is None or account.key.kind is not Kind.WALLET:
        return NOT_FOUND
    if account.seq != command.seq:
        return Refusal(Code.SUPERSEDED, "Entries were written since; look again", {"seq": account.seq})
    if not ledger.fits(account, command.balance - account.balance):
        return OVERFLOW
    # What time has brought, a hold that ran out or a grant that began, it has brought to what is right.
    right = tuple(_as(grant, command.grants.get(grant.id, grant)) for grant in account.grants)
    move = Move(replace(account, balance=command.balance, grants=right), context.now)
    move.account = account
    move.draws += command.draws
    details = entry_details(job, context, ledger.EntryKind.CORRECTION, CORRECTED_REASON, command.reason)
    return posted(move, replace(details, metadata={"operator": command.operator}), context)


def _as(grant: Grant, right: Grant) -> Grant:
    return replace(
        grant,
        remaining=right.remaining,
        held=right.held,
        reversed=right.reversed,
        expired=right.expired,
        voided=right.voided,
    )
