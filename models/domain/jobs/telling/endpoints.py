"""Decisions about endpoints of webhooks. No account has a part in them, and no balance."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from models.domain.deciding import webhook_commands as commands
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import DecisionContext, EndpointDecision
from models.domain.events import EventType
from models.domain.outcome import Code, Refusal
from models.domain.webhooks.endpoints import DisabledFor, Endpoint, Secret

_NOT_FOUND = Refusal(Code.ENDPOINT_NOT_FOUND, "Webhook endpoint not found")
_NO_KEY = Refusal(
    Code.WEBHOOKS_NOT_CONFIGURED,
    "No key is configured for the secrets of webhooks: set BALANCE_WEBHOOK_KEY for the workers",
)


def decide(
    command: commands.WebhookCommand, endpoint: Endpoint | None, job: Job, context: DecisionContext
) -> EndpointDecision | Refusal:
    """What job does to endpoint, which is None when there is no such endpoint."""
    if isinstance(command, commands.WebhookAdd):
        return _add(command, job, context)
    if endpoint is None or endpoint.removed:
        return _NOT_FOUND
    match command:
        case commands.WebhookUpdate(_, changes):
            return _changed(endpoint, replace(endpoint, **changes), context)
        case commands.WebhookEnable():
            return _changed(endpoint, replace(endpoint, disabled=None), context)
        case commands.WebhookDisable(_, reason):
            if endpoint.disabled is not None:
                return EndpointDecision(endpoint, Code.UNCHANGED)
            decision = _changed(endpoint, replace(endpoint, disabled=reason), context)
            by_itself = reason is not DisabledFor.ASKED
            return replace(decision, events=(EventType.WEBHOOK_DISABLED,)) if by_itself else decision
        case commands.WebhookRotateSecret(_, overlap):
            return _rotated(endpoint, overlap, context)
        case commands.WebhookRemove():
            return _changed(endpoint, replace(endpoint, removed=True), context)


def _add(command: commands.WebhookAdd, job: Job, context: DecisionContext) -> EndpointDecision | Refusal:
    key = context.limits.webhook_key
    if key is None:
        return _NO_KEY
    made = Endpoint(
        job.id, command.name, command.url, command.types, command.kinds, None, False, Secret(1, key), None, None,
        context.now, context.now,
    )  # fmt: skip
    return EndpointDecision(made)


def _rotated(endpoint: Endpoint, overlap: timedelta, context: DecisionContext) -> EndpointDecision | Refusal:
    key = context.limits.webhook_key
    if key is None:
        return _NO_KEY
    rotated = replace(
        endpoint,
        secret=Secret(endpoint.secret.version + 1, key),
        former=endpoint.secret if overlap else None,
        former_until=context.now + overlap if overlap else None,
    )
    return _changed(endpoint, rotated, context)


def _changed(before: Endpoint, after: Endpoint, context: DecisionContext) -> EndpointDecision:
    if after == before:
        return EndpointDecision(before, Code.UNCHANGED)
    return EndpointDecision(replace(after, updated_at=context.now))
