"""Endpoints and deliveries, for whoever looks: how sending goes, and what became of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from models.contracts.replies.events import EventMessage
from models.domain.webhooks.endpoints import DeliveryStatus, Endpoint
from models.store.read.page import Page, Searched
from models.store.write.events import endpoints, messages

# The last attempt is looked for where it is made: among the newest events, and at the heads of what waits.
_ENDPOINTS: Final = f"""
    select {endpoints.COLUMNS}, e.failures, e.failing_since, e.open_at, w.waiting, w.oldest, l.last_at, l.code
    from webhook_endpoints e
    cross join lateral (
        select count(*) as waiting, min(queued_at) as oldest from webhook_deliveries d
        where d.endpoint_id = e.id and d.status = 'waiting') as w
    left join lateral (
        select last_at, code from (
            (select last_at, code from webhook_deliveries d where d.endpoint_id = e.id order by id desc limit 1000)
            union all
            (select last_at, code from webhook_deliveries d where d.endpoint_id = e.id and status = 'waiting'
             order by queue, id limit 1000)) as tried
        where last_at is not null order by last_at desc limit 1) as l on true
    where {{condition}} order by e.created_at, e.id limit :limit
"""  # noqa: S608 - our own column list
_DELIVERIES: Final = f"""
    select o.status, o.attempts, o.queued_at, o.first_at, o.last_at, o.ended_at, o.code as came_to, o.answer,
           q.due_at, {messages.COLUMNS}
    from ({{chosen}}) as o
    left join webhook_queues q on q.endpoint_id = :endpoint and q.queue = o.queue and o.status = 'waiting'
    {messages.JOINS}
    order by o.id desc
"""  # noqa: S608 - our own column list
_CHOSEN: Final = (
    "select * from webhook_deliveries where endpoint_id = :endpoint {condition} order by id desc limit :limit"
)
_AMONG: Final = """
    select * from (select * from webhook_deliveries where endpoint_id = :endpoint {before} order by id desc limit :most)
        as l
    where status = any(cast(:statuses as text[])) order by id desc limit :limit
"""
_LAST_OF: Final = """
    select id from webhook_deliveries where endpoint_id = :endpoint {before} order by id desc offset :most - 1 limit 1
"""


@dataclass(frozen=True, slots=True)
class EndpointShown:
    """An endpoint, and how sending there goes."""

    endpoint: Endpoint
    failures: int  # in a row
    failing_since: datetime | None
    open_at: datetime | None  # nothing is sent until then
    waiting: int
    waiting_since: datetime | None
    last_at: datetime | None  # of the last attempt that is known
    last_code: str | None


@dataclass(frozen=True, slots=True)
class DeliveryShown:
    """One event for one endpoint."""

    id: int
    message: EventMessage
    status: DeliveryStatus
    attempts: int
    queued_at: datetime
    first_at: datetime | None
    last_at: datetime | None
    ended_at: datetime | None
    due_at: datetime | None  # of its queue, while it waits
    code: str | None
    answer: str | None


def endpoint_list(
    connection: Connection, limit: int, *, removed: bool, after: UUID | None = None
) -> Page[EndpointShown]:
    """The endpoints that there are, the oldest first; `removed`: also those that were. After the one named `after`."""
    conditions = ["true" if removed else "not e.removed"]
    given: dict[str, Any] = {"limit": limit + 1}
    if after is not None:
        conditions.append(
            "(e.created_at, e.id) > (select x.created_at, x.id from webhook_endpoints x where x.id = :after)"
        )
        given["after"] = after
    found = connection.execute(text(_ENDPOINTS.format(condition=" and ".join(conditions))), given)
    return Page.of([_endpoint(row) for row in found], limit)


def endpoint(connection: Connection, endpoint_id: UUID) -> EndpointShown | None:
    """One of them, removed or not."""
    found = connection.execute(text(_ENDPOINTS.format(condition="e.id = :id")), {"id": endpoint_id, "limit": 1}).first()
    return None if found is None else _endpoint(found)


def delivery_list(
    connection: Connection,
    endpoint_id: UUID,
    limit: int,
    *,
    statuses: Collection[DeliveryStatus] = (),
    before: int | None = None,
) -> Page[DeliveryShown]:
    """What an endpoint is or was to be sent, the newest event first."""
    conditions, given = "", {"endpoint": endpoint_id, "limit": limit + 1}
    if statuses:
        conditions += " and status = any(cast(:statuses as text[]))"
        given["statuses"] = [status.value for status in statuses]
    if before is not None:
        conditions += " and id < :before"
        given["before"] = before
    found = connection.execute(text(_DELIVERIES.format(chosen=_CHOSEN.format(condition=conditions))), given)
    return Page.of([_delivery(row) for row in found], limit)


def search(
    connection: Connection,
    endpoint_id: UUID,
    status: DeliveryStatus | None,
    limit: int,
    most: int,
    before: int | None = None,
) -> Searched[DeliveryShown]:
    """The same of one status, or of any; it looks at no more than `most` deliveries."""
    earlier = "" if before is None else "and id < :before"
    statuses = [each.value for each in DeliveryStatus if status in (None, each)]
    given = {"endpoint": endpoint_id, "statuses": statuses, "before": before, "most": most, "limit": limit + 1}
    rows = connection.execute(text(_DELIVERIES.format(chosen=_AMONG.format(before=earlier))), given)
    page = Page.of([_delivery(row) for row in rows], limit)
    if page.last is not None:
        return Searched(page.rows, page.last.id, gave_up=False)
    further = connection.execute(text(_LAST_OF.format(before=earlier)), given).scalar()
    return Searched(page.rows, further, gave_up=further is not None)


def _endpoint(row: Row[Any]) -> EndpointShown:
    return EndpointShown(
        endpoint=endpoints.from_row(row),
        failures=row.failures,
        failing_since=row.failing_since,
        open_at=row.open_at,
        waiting=row.waiting,
        waiting_since=row.oldest,
        last_at=row.last_at,
        last_code=row.code,
    )


def _delivery(row: Row[Any]) -> DeliveryShown:
    return DeliveryShown(
        id=row.id,
        message=messages.message(row),
        status=DeliveryStatus(row.status),
        attempts=row.attempts,
        queued_at=row.queued_at,
        first_at=row.first_at,
        last_at=row.last_at,
        ended_at=row.ended_at,
        due_at=row.due_at,
        code=row.came_to,
        answer=row.answer,
    )
