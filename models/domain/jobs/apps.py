"""Decisions about apps: POST /apps/balance sets an absolute balance; the ledger keeps the difference."""

from __future__ import annotations

from dataclasses import replace

from models.domain import ledger
from models.domain.accounts import APP_SCALE, Account, App
from models.domain.deciding.commands import AppSet, AppUpsert, Job
from models.domain.deciding.decision import Decision, DecisionContext, entry_details, opened
from models.domain.events import EventType
from models.domain.outcome import Code, Refusal


def set_balance(command: AppSet, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Makes the balance what the publisher says it is, unless a later saying has been applied already."""
    if account is None:
        return Refusal(Code.APP_NOT_FOUND, "The app is not installed in this store")
    assert isinstance(account.profile, App)
    decided_at, last = job.occurred_at, account.set_at
    if decided_at is not None and last is not None and decided_at < last:
        return Refusal(
            Code.SUPERSEDED,
            "A set that was decided later has already been applied",
            {"occurred_at": decided_at.isoformat(), "applied_occurred_at": last.isoformat()},
        )
    if account.profile.decrease_only and command.balance > account.balance:
        return Refusal(
            Code.DECREASE_ONLY,
            "The balance of this app may only decrease",
            {"balance": account.balance, "requested": command.balance},
        )
    if not ledger.fits(account, command.balance - account.balance):
        return Refusal(Code.BALANCE_OVERFLOW, "The difference is larger than an entry can hold")
    # A set without a time is ordered by its arrival, so its time is now.
    ordered = replace(account, set_at=decided_at or context.now)
    if command.balance == account.balance:
        return Decision(replace(ordered, updated_at=context.now), Code.UNCHANGED)
    details = entry_details(job, context, ledger.EntryKind.SET, None, None)
    after, entry = ledger.post(ordered, command.balance - account.balance, details)
    return Decision(after, entry=entry, events=(EventType.APP_BALANCE_UPDATED,))


def upsert(command: AppUpsert, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Makes the app of a store known, or changes its rule."""
    if account is None:
        app = App(command.app_id, command.store_id, decrease_only=False)
        account = opened(command.target, context, "unit", APP_SCALE, app)
    assert isinstance(account.profile, App)
    rule = account.profile.decrease_only if command.decrease_only is None else command.decrease_only
    return Decision(replace(account, profile=replace(account.profile, decrease_only=rule), updated_at=context.now))
