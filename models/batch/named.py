"""What the jobs of a batch name: all that has to be read before the first of them is decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from models.domain.accounts import AccountKey
from models.domain.deciding import commands, top_up_commands, webhook_commands
from models.domain.deciding.commands import Job
from models.domain.outcome import Refusal
from models.domain.value import value


@value(frozen=True, slots=True)
class Named:
    wanted: Sequence[Any]  # the commands, in the order of their jobs
    accounts: list[AccountKey]
    telegram_ids: set[int]  # of users who are named by them
    given: set[int]  # telegram ids that users are to have
    jobs: set[UUID]  # whose entries are named
    charges: set[UUID]
    given_up: set[AccountKey]  # accounts whose open charges are
    endpoints: set[UUID]

    def missing(self, there: Iterable[AccountKey]) -> list[AccountKey]:
        """Accounts that may be created, as they are not there yet; in one order for all."""
        creating = {command.target for command in self.wanted if isinstance(command, commands.CREATES)}
        if not creating:
            return []
        return sorted(creating.difference(there), key=str)


def named_by(jobs: Sequence[Job]) -> Named:
    wanted = [job.command for job in jobs if not isinstance(job.command, Refusal)]
    targets = [command.target for command in wanted]
    of_endpoints = [target.endpoint_id for target in targets if isinstance(target, webhook_commands.EndpointOf)]
    upserts = [command for command in wanted if isinstance(command, commands.UserUpsert)]
    return Named(
        wanted=wanted,
        accounts=[target for target in targets if isinstance(target, AccountKey)],
        telegram_ids={target.telegram_id for target in targets if isinstance(target, commands.TelegramUser)},
        given={command.changes["telegram_id"] for command in upserts if command.changes.get("telegram_id")},
        jobs={target.job_id for target in targets if isinstance(target, commands.EntryOfJob)},
        charges={target.charge_id for target in targets if isinstance(target, top_up_commands.ChargeOf)},
        given_up={command.target for command in wanted if isinstance(command, top_up_commands.TopUpCancel)},
        endpoints={endpoint_id for endpoint_id in of_endpoints if endpoint_id is not None},
    )
