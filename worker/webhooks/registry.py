"""The sender of webhooks that a deployment has, and the keys that secrets are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.domain.webhooks.secrets import SecretKeys
from tasks.events.sender import WebhookSender
from worker.settings.settings import Settings
from worker.webhooks.sender import HttpWebhookSender

if TYPE_CHECKING:
    from worker.tracing.tracer import Tracer


def sender_of(settings: Settings, tracer: Tracer | None = None) -> WebhookSender:
    """By the settings. Close it in the end."""
    return HttpWebhookSender(
        timeout_s=settings.webhook_timeout_s,
        concurrency=settings.webhook_concurrency,
        allow_private=settings.webhook_allow_private,
        tracer=tracer,
    )


def keys_of(settings: Settings) -> SecretKeys:
    """What secrets of endpoints are made from."""
    given = (settings.webhook_key, settings.webhook_key_former)
    return SecretKeys(tuple(key.get_secret_value().encode() for key in given if key is not None))
