"""Decisions about grants: what time and operators do to them."""

from __future__ import annotations

from dataclasses import replace

from models.domain import ledger, money
from models.domain.accounts import Account
from models.domain.auto_topup import due as autotopup
from models.domain.credits.balance import Move
from models.domain.credits.grants import Grant
from models.domain.deciding.commands import GrantExpire, GrantOpen, GrantVoid, GrantWarn, Job
from models.domain.deciding.decision import Decision, DecisionContext, Facts, entry_details
from models.domain.events import EventType
from models.domain.jobs.wallets import NOT_FOUND, posted
from models.domain.outcome import Code, Refusal

EXPIRED_REASON = "CREDIT_EXPIRED"
VOIDED_REASON = "CREDIT_VOIDED"


def expire(command: GrantExpire, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Takes what is left of an expired grant out of the balance. The floor is no obstacle: it was not spendable."""
    if account is None:
        return NOT_FOUND
    move = Move(account, context.now)
    grant = move.grants.get(command.grant_id)
    waits = grant is None or grant.ends is None or grant.ends + context.limits.expiry_grace > context.now
    if grant is None or waits or not grant.remaining:
        return Decision(account, Code.UNCHANGED)
    units = grant.remaining
    move.take(grant.id, units)
    move.balance -= units
    move.grants[grant.id] = replace(move.grants[grant.id], expired=grant.expired + units)
    details = entry_details(job, context, ledger.EntryKind.EXPIRY, EXPIRED_REASON, "Credits expired")
    decision = posted(move, replace(details, grant_id=grant.id), context)
    if grant.voided_at is not None:
        return decision  # what came back to it is gone because it was voided
    told = EventType.GRANT_EXPIRED
    return replace(decision, events=(*decision.events, told), facts={told: _facts(account, grant, amount=units)})


def warn(command: GrantWarn, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Tells once that what is left of a grant will expire. Nothing moves, and the wallet is as it was."""
    if account is None:
        return NOT_FOUND
    grant = next((grant for grant in account.grants if grant.id == command.grant_id), None)
    if grant is None or grant.warned or not grant.remaining or grant.lapsed(context.now):
        return Decision(account, Code.UNCHANGED)
    grants = tuple(replace(each, warned=True) if each is grant else each for each in account.grants)
    told = EventType.GRANT_WILL_EXPIRE
    facts = {told: _facts(account, grant, remaining=grant.remaining)}
    return Decision(replace(account, grants=grants), events=(told,), facts=facts)


def _facts(account: Account, grant: Grant, **units: int) -> Facts:
    amounts = {name: money.shown(amount, account.scale) for name, amount in units.items()}
    return {"grant": {"id": str(grant.id), **amounts, "expires_at": grant.expires_at}}


def void(command: GrantVoid, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Takes what is left of one grant, and ends it: what comes back to it later is gone as well."""
    if account is None:
        return NOT_FOUND
    move = Move(account, context.now)
    grant = move.grants.get(command.grant_id)
    if grant is None:
        return Refusal(
            Code.GRANT_NOT_FOUND, "The wallet has no grant made by this job", {"grant": str(command.grant_id)}
        )
    if grant.lapsed(context.now) or not grant.remaining + grant.held:
        return Decision(account, Code.UNCHANGED)
    units = grant.remaining
    move.take(grant.id, units)
    move.balance -= units
    move.grants[grant.id] = replace(move.grants[grant.id], voided=units, voided_at=context.now, pending=False)
    details = entry_details(job, context, ledger.EntryKind.VOID, VOIDED_REASON, command.reason)
    signed = replace(details, grant_id=grant.id, metadata={**job.metadata, "operator": command.operator})
    return posted(move, signed, context)


def begin(command: GrantOpen, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Notes that a grant counts from now on. An entry is written when a debt was waiting for it."""
    if account is None:
        return NOT_FOUND
    move = Move(account, context.now)
    grant = move.grants.get(command.grant_id)
    if grant is None or not grant.pending or not grant.begun(context.now):
        return Decision(account, Code.UNCHANGED)
    if move.paid or move.changes:
        details = entry_details(job, context, ledger.EntryKind.OPENING, None, "Credits begin")
        return posted(move, replace(details, grant_id=grant.id), context)
    after, events = autotopup.follow(replace(move.result(), updated_at=context.now), context)
    return Decision(after, Code.UNCHANGED, events=events)
