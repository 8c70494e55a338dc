"""Endpoints: where events are sent, which, and signed by what."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from models.domain.value import value
from models.python310 import StrEnum


class DisabledFor(StrEnum):
    """Why nothing is sent to an endpoint."""

    ASKED = "asked"  # somebody has switched it off
    GONE = "gone"  # it answered 410
    FAILING = "failing"  # for days, without a success


class DeliveryStatus(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"  # tried for as long as it is tried
    DROPPED = "dropped"  # its endpoint was removed


@value(frozen=True, slots=True)
class Secret:
    """One that is made from a key of the deployment. `key`: which, as models/domain/webhooks/secrets.py names it."""

    version: int
    key: bytes


@value(frozen=True, slots=True)
class Endpoint:
    """`types` and `kinds` None: all. `former` signs beside `secret` until `former_until`."""

    id: UUID
    name: str
    url: str
    types: tuple[str, ...] | None
    kinds: tuple[str, ...] | None
    disabled: DisabledFor | None
    removed: bool
    secret: Secret
    former: Secret | None
    former_until: datetime | None
    created_at: datetime
    updated_at: datetime
