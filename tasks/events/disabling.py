"""An endpoint that takes nothing is disabled by a job of our own: once for each time that it was changed."""

from __future__ import annotations

from typing import Final

from models.batch.system_jobs import system_job
from models.domain.deciding.commands import Job
from models.domain.deciding.webhook_commands import EndpointOf, WebhookDisable
from models.domain.webhooks.endpoints import DisabledFor, Endpoint

DISABLE: Final = "webhooks.disable"


def disable_job(endpoint: Endpoint, reason: DisabledFor) -> Job:
    body = {"endpoint_id": str(endpoint.id), "reason": reason.value, "since": endpoint.updated_at.isoformat()}
    command = WebhookDisable(EndpointOf(endpoint.id), reason)
    return system_job(DISABLE, f"{endpoint.id}:{endpoint.updated_at.isoformat()}", body, command)
