"""Charges of all accounts: what was asked for, and what became of it."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from tornado.web import HTTPError, url

from models.domain.charging.charges import ChargeStatus
from models.store.read.charges import charge, search
from worker.flower.pages.base import PageHandler
from worker.flower.pages.page import ID
from worker.wording.charges import charge_facts, price

_ROWS: Final = 50
_LOOKED_AT: Final = 10_000  # charges, for one page


class ChargesHandler(PageHandler):
    """The newest first, of any status or of one."""

    name = "top_ups"

    async def get(self) -> None:
        status, trail = self.asked("status"), self.trail
        if status is not None and status not in [*ChargeStatus]:
            raise HTTPError(400, f"There are charges that are {', '.join(ChargeStatus)}.")
        statuses = [*ChargeStatus] if status is None else [ChargeStatus(status)]
        found = await self.read(
            lambda connection: search(connection, statuses, _ROWS, _LOOKED_AT, trail[-1] if trail else None)
        )
        self.show(
            "charges.html", found=found, status=status, statuses=[*ChargeStatus], trail=trail, looked_at=_LOOKED_AT,
            price=price,
        )  # fmt: skip


class ChargeHandler(PageHandler):
    """All that is known of one charge."""

    name = "top_ups"

    async def get(self, charge_id: str) -> None:
        found = await self.read(lambda connection: charge(connection, UUID(charge_id)))
        if found is None:
            raise HTTPError(404, f"There is no charge {charge_id}.")
        self.show("charge.html", shown=found, facts=charge_facts(found))


ROUTES: Final = (
    url("/auto-topup/charges", ChargesHandler, name="charges"),
    url(rf"/auto-topup/charges/{ID}", ChargeHandler, name="charge"),
)
