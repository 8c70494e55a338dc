"""Credits that expire or have a priority, and the order in which a debit uses them up.

Only credits with an expiry or a priority are grants. All others sort last in the order below anyway, so they need no
row of their own: they are what a wallet's balance holds beyond its grants. That keeps a wallet with a million plain
top-ups as fast as a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from models.domain.value import value

_LAST_PRIORITY: Final = 2**63
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@value(frozen=True, slots=True)
class Grant:
    id: UUID
    amount: int  # units granted
    remaining: int  # units left; 0 <= remaining <= amount
    priority: int | None  # lower is used first; None: last
    expires_at: datetime | None
    created_at: datetime

    def expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


Draw = tuple[UUID, int]  # (grant, units taken from it)


def consumption_order(grants: Iterable[Grant], now: datetime) -> list[Grant]:
    """The grants that can be spent now: priority (absent last), expiry (absent last), larger first, older first."""
    spendable = [grant for grant in grants if grant.remaining > 0 and not grant.expired(now)]
    spendable.sort(
        key=lambda grant: (
            _LAST_PRIORITY if grant.priority is None else grant.priority,
            grant.expires_at or _NEVER,
            -grant.remaining,
            grant.created_at,
            grant.id,
        )
    )
    return spendable


def locked(grants: Iterable[Grant], now: datetime) -> int:
    """Units that are still in the balance but have expired: nobody may spend them, even before the sweep has run."""
    return sum(grant.remaining for grant in grants if grant.expired(now))


def draw(grants: Sequence[Grant], units: int, now: datetime) -> tuple[tuple[Grant, ...], tuple[Draw, ...]]:
    """Takes up to `units` from the grants in consumption order. What they do not cover comes from the plain credits.

    Returns all the grants as they are afterwards, and what was taken from each.
    """
    left, taken = units, {}
    for grant in consumption_order(grants, now):
        if left == 0:
            break
        part = min(left, grant.remaining)
        taken[grant.id] = part
        left -= part
    return _less(grants, taken), tuple(taken.items())


def restore(
    grants: Sequence[Grant], draws: Iterable[Draw], now: datetime
) -> tuple[tuple[Grant, ...], tuple[Draw, ...]]:
    """Puts drawn units back into the grants they came from.

    Units of a grant that has expired since return as plain credits: a correction must not cost the customer money.
    """
    open_ids = {grant.id for grant in grants if not grant.expired(now)}
    back = {grant_id: -units for grant_id, units in draws if grant_id in open_ids}
    return _less(grants, back), tuple(back.items())


def take(grants: Sequence[Grant], grant_id: UUID, units: int) -> tuple[tuple[Grant, ...], tuple[Draw, ...]]:
    """Takes up to `units` from one named grant."""
    part = next((min(units, grant.remaining) for grant in grants if grant.id == grant_id), 0)
    return _less(grants, {grant_id: part}), ((grant_id, part),) if part else ()


def _less(grants: Sequence[Grant], taken: dict[UUID, int]) -> tuple[Grant, ...]:
    return tuple(
        replace(grant, remaining=grant.remaining - taken[grant.id]) if grant.id in taken else grant for grant in grants
    )
