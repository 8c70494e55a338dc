"""What has come due in memory: the jobs that the worker makes of it, as its own queries find them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from balance_client.testing.ledger import Ledger
from models.batch.system_jobs import expire_job, hold_job, look_job, open_job, warn_job
from models.domain.accounts import AccountKey
from models.domain.credits.grants import Grant
from models.domain.deciding.commands import Job
from models.domain.deciding.top_up_commands import TopUpLook
from models.domain.value import value
from models.python310 import UTC

T = TypeVar("T")
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Due:
    """`grace`: how long what has expired waits for late debits. `notice`: how long before it expires it is told."""

    def __init__(self, ledger: Ledger, grace: timedelta, notice: timedelta) -> None:
        self._ledger = ledger
        self._grace = grace
        self._notice = notice

    def begun(self, now: datetime) -> list[Job]:
        found = [each for each in self._grants() if each.grant.pending and each.grant.begun(now)]
        return [
            open_job(each.key, each.grant.id, each.seq) for each in _by(found, lambda each: each.grant.effective_at)
        ]

    def run_out(self, now: datetime) -> list[Job]:
        found = [
            (self._ledger.keys[account_id], hold)
            for account_id, holds in self._ledger.holds.items()
            for hold in holds.values()
            if hold.remaining and hold.lapsed(now)
        ]
        return [hold_job(key, hold.id) for key, hold in _by(found, lambda each: each[1].expires_at)]

    def written_off(self, now: datetime) -> list[Job]:
        over = now - self._grace
        found = [each for each in self._grants() if each.grant.remaining and each.grant.lapsed(over)]
        return [expire_job(*each.named) for each in _by(found, lambda each: each.grant.ends)]

    def soon_over(self, now: datetime) -> list[Job]:
        found = [each for each in self._grants() if self._is_soon_over(each.grant, now)]
        return [warn_job(*each.named) for each in _by(found, lambda each: each.grant.expires_at)]

    def looks(self, now: datetime) -> list[Job]:
        policies = [(key, account.policy) for key, account in self._ledger.accounts.items()]
        found = [(key, it) for key, it in policies if it and it.due_at is not None and it.due_at <= now]
        return [look_job(key, policy.crossing) for key, policy in _by(found, lambda each: each[1].due_at)]

    def _is_soon_over(self, grant: Grant, now: datetime) -> bool:
        if not grant.remaining or grant.warned or grant.voided_at is not None or grant.expires_at is None:
            return False
        return now < grant.expires_at <= now + self._notice

    def _grants(self) -> Iterator[_Found]:
        for account_id, grants in self._ledger.grants.items():
            key = self._ledger.keys[account_id]
            for grant in grants.values():
                yield _Found(key, self._ledger.accounts[key].seq, grant)


@value(frozen=True, slots=True)
class _Found:
    key: AccountKey
    seq: int  # of the account's last entry
    grant: Grant

    @property
    def named(self) -> tuple[AccountKey, UUID, int]:
        return self.key, self.grant.id, self.seq


def _by(found: list[T], time: Callable[[T], datetime | None]) -> list[T]:
    """Those that wait longest first."""
    return sorted(found, key=lambda each: time(each) or _NEVER)


def once(job: Job) -> str:
    """What a sweep takes once: an account for a look, which may be due again at once, and else what the key names."""
    return str(job.command.target) if isinstance(job.command, TopUpLook) else job.key
