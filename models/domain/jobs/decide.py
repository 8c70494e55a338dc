"""One job, one decision. Pure: the same job, account and context always give the same answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from models.domain.accounts import Account
from models.domain.deciding import commands, top_up_commands
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Decision, DecisionContext, EndpointDecision
from models.domain.deciding.webhook_commands import WebhookCommand
from models.domain.jobs import (
    apps,
    repairs,
    reversals,
    users,
    wallet_grants,
    wallet_holds,
    wallet_terms,
    wallets,
)
from models.domain.jobs.telling import alerts, endpoints
from models.domain.jobs.telling.notices import noticed
from models.domain.jobs.top_ups import charges, looks, policy_terms
from models.domain.outcome import Code, Refusal
from models.domain.webhooks.endpoints import Endpoint

_DECIDERS: Final[dict[type, Callable[[Any, Account | None, Job, DecisionContext], Decision | Refusal]]] = {
    commands.UserUpsert: users.upsert,
    commands.UserCorrect: users.correct,
    commands.WalletCreate: wallet_terms.create,
    commands.WalletUpdate: wallet_terms.update,
    commands.WalletTerminate: wallet_terms.terminate,
    commands.WalletTopUp: wallets.top_up,
    commands.WalletDebit: wallets.debit,
    commands.WalletHold: wallet_holds.hold,
    commands.HoldCapture: wallet_holds.capture,
    commands.HoldRelease: wallet_holds.release,
    commands.HoldExpire: wallet_holds.expire,
    commands.GrantVoid: wallet_grants.void,
    top_up_commands.TopUpLook: looks.look,
    top_up_commands.PolicySet: policy_terms.set_policy,
    top_up_commands.TopUpResume: looks.resume,
    top_up_commands.TopUpNow: looks.run_now,
    top_up_commands.TopUpCancel: looks.cancel,
    top_up_commands.ChargeSettle: charges.settle,
    commands.GrantExpire: wallet_grants.expire,
    commands.GrantOpen: wallet_grants.begin,
    commands.GrantWarn: wallet_grants.warn,
    commands.AccountRepair: repairs.repair,
    commands.AlertsSet: alerts.set_alerts,
    commands.AppUpsert: apps.upsert,
    commands.AppSet: apps.set_balance,
    commands.EntryReverse: reversals.reverse,
}


def decide(job: Job, account: Account | None, context: DecisionContext) -> Decision | Refusal:
    """What job does to account, which is None when there is no such account."""
    if refusal := _refused(job, context):
        return refusal
    decision = _DECIDERS[type(job.command)](job.command, account, job, context)
    return decision if isinstance(decision, Refusal) else noticed(account, decision, context)


def decide_endpoint(
    job: Job, command: WebhookCommand, endpoint: Endpoint | None, context: DecisionContext
) -> EndpointDecision | Refusal:
    """What job does to an endpoint of webhooks, which is None when there is no such endpoint."""
    return _refused(job, context) or endpoints.decide(command, endpoint, job, context)


def _refused(job: Job, context: DecisionContext) -> Refusal | None:
    """What is refused whatever it is about."""
    if isinstance(job.command, Refusal):
        return job.command
    if job.occurred_at is not None and job.occurred_at > context.now + context.limits.future_tolerance:
        # One set from the year 9999 would supersede every later one.
        return Refusal(
            Code.OCCURRED_IN_FUTURE,
            "occurred_at is in the future: is the publisher's clock right?",
            {"field": "occurred_at", "input": job.occurred_at.isoformat(), "now": context.now.isoformat()},
        )
    return None
