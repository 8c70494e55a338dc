"""Commands about endpoints of webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from models.domain.value import value
from models.domain.webhooks.endpoints import DisabledFor


@value(frozen=True, slots=True)
class EndpointOf:
    """An endpoint; None: the one that the job adds, whose id is the job's."""

    endpoint_id: UUID | None


@value(frozen=True, slots=True)
class WebhookAdd:
    target: EndpointOf
    name: str
    url: str
    types: tuple[str, ...] | None  # None: all
    kinds: tuple[str, ...] | None


@value(frozen=True, slots=True)
class WebhookUpdate:
    target: EndpointOf
    changes: Mapping[str, Any]  # the fields given, by their names in endpoints.Endpoint


@value(frozen=True, slots=True)
class WebhookEnable:
    target: EndpointOf


@value(frozen=True, slots=True)
class WebhookDisable:
    target: EndpointOf
    reason: DisabledFor


@value(frozen=True, slots=True)
class WebhookRotateSecret:
    target: EndpointOf
    overlap: timedelta  # for which the former secret signs beside the new one


@value(frozen=True, slots=True)
class WebhookRemove:
    target: EndpointOf


WebhookCommand = WebhookAdd | WebhookUpdate | WebhookEnable | WebhookDisable | WebhookRotateSecret | WebhookRemove
WEBHOOK_COMMANDS = (WebhookAdd, WebhookUpdate, WebhookEnable, WebhookDisable, WebhookRotateSecret, WebhookRemove)
