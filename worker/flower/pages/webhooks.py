"""Webhooks: endpoints and how sending there goes, deliveries, and what was given up sent again. No secret is shown."""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

from sqlalchemy import Engine
from tornado.web import HTTPError, url

from models.contracts.jobs.webhooks import WebhooksDisable, WebhooksEnable
from models.domain.webhooks.endpoints import DeliveryStatus
from models.store.connection.session import transaction
from models.store.read.webhooks import endpoint, endpoint_list, search
from models.store.write.events import deliveries
from worker.flower.pages.actions import ActionHandler
from worker.flower.pages.base import PageHandler
from worker.flower.pages.page import ID, Page
from worker.settings.settings import Settings
from worker.wording.webhooks import endpoint_facts, status_of

_ROWS: Final = 50
_LOOKED_AT: Final = 10_000  # deliveries, for one page
_REPLAYED_MAX: Final = 10_000  # deliveries that are queued again at once


class WebhooksHandler(PageHandler):
    """Every endpoint, the oldest first."""

    name = "webhooks"

    async def get(self) -> None:
        trail, removed = self.trail, self.asked("removed") is not None
        page = await self.read(
            lambda connection: endpoint_list(connection, _ROWS, removed=removed, after=trail[-1] if trail else None)
        )
        further = None if page.last is None else page.last.endpoint.id
        self.show(
            "webhooks.html", page=page, further=further, trail=trail, removed=removed, status=status_of,
            keyed=self.capp.runtime.settings.webhook_key is not None,
        )  # fmt: skip


class EndpointHandler(PageHandler):
    """One endpoint, and what it is or was to be sent, the newest event first."""

    name = "webhooks"

    async def get(self, endpoint_id: str) -> None:
        status, trail, which = self.asked("status"), self.trail_of(int), UUID(endpoint_id)
        if status is not None and status not in [*DeliveryStatus]:
            raise HTTPError(400, f"There are deliveries that are {', '.join(DeliveryStatus)}.")
        wanted = None if status is None else DeliveryStatus(status)
        found, sent = await self.read(
            lambda connection: (
                endpoint(connection, which),
                search(connection, which, wanted, _ROWS, _LOOKED_AT, trail[-1] if trail else None),
            )
        )
        if found is None:
            raise HTTPError(404, f"There is no endpoint {endpoint_id}.")
        self.show(
            "webhook.html", found=found, facts=endpoint_facts(found), sent=sent, status=status, trail=trail,
            statuses=[*DeliveryStatus], looked_at=_LOOKED_AT, at_most=_REPLAYED_MAX,
        )  # fmt: skip


class _OneEndpoint(ActionHandler):
    """What is done with one endpoint."""

    name = "webhooks"

    def back(self, *where: str) -> str:
        return str(self.reverse_url("webhook", *where))


class _Ask(_OneEndpoint):
    """A job about it."""

    job: ClassVar[str]

    async def act(self, *where: str) -> str:
        return await self.submit(self.job, {"endpoint_id": where[0]})


class EnableHandler(_Ask):
    job = WebhooksEnable.NAME


class DisableHandler(_Ask):
    job = WebhooksDisable.NAME


class ReplayHandler(_OneEndpoint):
    """Queues again what was given up, all of it or one; `number` in the URL names one, whatever became of it."""

    async def act(self, *where: str) -> str:
        try:
            numbers = [int(number)] if (number := self.asked("number")) is not None else None
        except ValueError as error:
            raise HTTPError(400, "Nothing was done: a delivery is named by its number.") from error
        statuses = [DeliveryStatus.EXHAUSTED, *([] if numbers is None else [DeliveryStatus.DELIVERED])]

        def replay(engine: Engine, _settings: Settings) -> int:
            with transaction(engine) as connection:
                return deliveries.replay(connection, UUID(where[0]), statuses, numbers, None, _REPLAYED_MAX)

        count = await self.perform(replay)
        return f"{count:,} to be sent again, under the same ids."


PAGE: Final = Page(
    "webhooks",
    "Webhooks",
    "webhooks",
    WebhooksHandler,
    [
        url(rf"/webhooks/{ID}", EndpointHandler, name="webhook"),
        url(rf"/webhooks/{ID}/enable", EnableHandler, name="webhook_enable"),
        url(rf"/webhooks/{ID}/disable", DisableHandler, name="webhook_disable"),
        url(rf"/webhooks/{ID}/replay", ReplayHandler, name="webhook_replay"),
    ],
)
