"""Endpoints and deliveries, in tables and in JSON."""

from __future__ import annotations

from typing import Any, Final

from models.contracts.jobs.webhooks import endpoint_body
from models.store.read.webhooks import DeliveryShown, EndpointShown
from worker.cli.terminal.listing import Listing
from worker.cli.terminal.tables import Column
from worker.encoding.shown import when
from worker.wording.webhooks import status_of


def endpoint_document(found: EndpointShown) -> dict[str, Any]:
    """For programs. Its secret is no part of it: nobody is shown one twice."""
    return {
        **endpoint_body(found.endpoint),
        "failures": found.failures,
        "failing_since": found.failing_since,
        "open_at": found.open_at,
        "waiting": found.waiting,
        "waiting_since": found.waiting_since,
        "last_at": found.last_at,
        "last_code": found.last_code,
    }


def delivery_document(found: DeliveryShown) -> dict[str, Any]:
    return {
        "number": found.id,
        "event_id": found.message.id,
        "type": found.message.type,
        "account": found.message.account,
        "occurred_at": found.message.occurred_at,
        "status": found.status,
        "attempts": found.attempts,
        "queued_at": found.queued_at,
        "first_at": found.first_at,
        "last_at": found.last_at,
        "ended_at": found.ended_at,
        "due_at": found.due_at,
        "code": found.code,
        "answer": found.answer,
    }


def _endpoint_cells(found: EndpointShown) -> list[str]:
    endpoint = found.endpoint
    return [
        str(endpoint.id),
        endpoint.name,
        endpoint.url,
        status_of(found),
        str(found.waiting),
        found.last_code or "",
        when(found.last_at),
    ]


def _delivery_cells(found: DeliveryShown) -> list[str]:
    return [
        str(found.id),
        found.message.type,
        found.message.account or "",
        found.status.value,
        str(found.attempts),
        found.code or "",
        when(found.ended_at or found.due_at),
        found.answer or "",
    ]


ENDPOINTS: Final[Listing[EndpointShown]] = Listing(
    many="endpoints",
    field="endpoints",
    columns=[
        Column("id", whole=True),
        Column("name"),
        Column("url"),
        Column("status"),
        Column("waiting", right=True),
        Column("last", optional=True),
        Column("at", whole=True, optional=True),
    ],
    cells=_endpoint_cells,
    document=endpoint_document,
    name=lambda found: str(found.endpoint.id),
    way="after",
)
DELIVERIES: Final[Listing[DeliveryShown]] = Listing(
    many="deliveries",
    field="deliveries",
    columns=[
        Column("number", right=True, whole=True),
        Column("event"),
        Column("account", optional=True),
        Column("status"),
        Column("attempts", right=True),
        Column("came to", optional=True),
        Column("ended, or due", whole=True, optional=True),
        Column("it said", optional=True),
    ],
    cells=_delivery_cells,
    document=delivery_document,
    name=lambda found: found.id,
    way="before",
)
