"""The grant that a top-up makes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from models.domain.accounts import Account, Wallet
from models.domain.credits.grants import Grant
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import DecisionContext
from models.domain.ids import second_id
from models.domain.outcome import Code, Refusal
from models.python310 import UTC


def new_grant(
    account: Account,
    job: Job,
    context: DecisionContext,
    units: int,
    ends: datetime | date | None,
    priority: int | None,
    effective_at: datetime | None,
    *,
    bonus: bool = False,
) -> Grant | Refusal | None:
    """The grant that a top-up makes; None when its credits are plain. A job makes one at the most, and one for its
    bonus: they are named by it."""
    assert isinstance(account.profile, Wallet)
    expires_at = _end(ends, account.profile.timezone)
    begins = effective_at if effective_at is not None and effective_at > context.now else None
    decided_at = min(job.occurred_at or context.now, context.now)
    if expires_at is not None and expires_at <= (begins or decided_at):
        field = "bonus_expiry_date_utc" if bonus else "expiry_date_utc"
        return Refusal(
            Code.EXPIRY_NOT_IN_FUTURE,
            f"{field} must be in the future" + (", after effective_at" if begins else ""),
            {"field": field, "input": expires_at.isoformat()},
        )
    if expires_at is None and priority is None and begins is None:
        return None
    grant_id = second_id(job.id) if bonus else job.id
    return Grant(grant_id, units, units, priority, expires_at, context.now, begins, pending=begins is not None)


def _end(ends: datetime | date | None, timezone: str | None) -> datetime | None:
    """When credits expire. A date means the whole day, where the wallet is."""
    if ends is None or isinstance(ends, datetime):
        return ends
    if ends == date.max:
        return datetime.max.replace(tzinfo=UTC)
    next_day = ends + timedelta(days=1)
    midnight = datetime(next_day.year, next_day.month, next_day.day, tzinfo=ZoneInfo(timezone or "UTC"))
    return midnight.astimezone(UTC)
