"""The accounts of one batch in memory: as they were when locked, and as the jobs decided so far have left them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from models.domain.accounts import Account, AccountKey, User
from models.domain.charging.charges import COUNTED, Charge
from models.domain.credits.grants import Grant
from models.domain.credits.holds import Hold
from models.domain.deciding import commands, top_up_commands, webhook_commands
from models.domain.deciding.commands import Target
from models.domain.deciding.decision import Decision, Original
from models.domain.webhooks.endpoints import Endpoint

T = TypeVar("T", Grant, Hold)


class WorkingSet:
    """Locked accounts, looked up by whatever name a job uses for them."""

    def __init__(
        self,
        locked: Sequence[Account],
        originals: Mapping[UUID, Original],
        reversed_units: dict[tuple[int, int], int],
        telegram_owners: Mapping[int, AccountKey],
        new_ids: Mapping[AccountKey, int],
        named_charges: Mapping[UUID, Charge] | None = None,
        endpoints: Mapping[UUID, Endpoint] | None = None,
    ) -> None:
        self._before = {account.key: account for account in locked}
        self._now = dict(self._before)
        self.originals = dict(originals)
        self.reversed = reversed_units
        self.telegram_owners = dict(telegram_owners)
        self.new_ids = new_ids
        self.charges = dict(named_charges or {})
        self.endpoints = dict(endpoints or {})  # of webhooks
        self._endpoints_before = dict(self.endpoints)
        self.charged: dict[int, dict[datetime, int]] = {}  # what counts towards caps: filled when a job may charge
        self._charges_before = dict(self.charges)
        self._by_id = {account.id: account.key for account in locked}
        self._compared: list[tuple[Account, Account | None]] | None = None  # since the last decision

    def find(self, target: Target) -> Account | None:
        """The account as it is at this point of the batch."""
        match target:
            case AccountKey():
                return self._now.get(target)
            case commands.TelegramUser(telegram_id):
                owner = self.telegram_owners.get(telegram_id)
                return self._now.get(owner) if owner else None
            case commands.EntryOfJob(job_id):
                original = self.originals.get(job_id)
                return self._now.get(original.account) if original else None
            case top_up_commands.ChargeOf(charge_id):
                charge = self.charges.get(charge_id)
                key = None if charge is None else self._by_id.get(charge.account_id)
                return None if key is None else self._now.get(key)

            case webhook_commands.EndpointOf():
                return None  # it has no account

    def accept(self, decision: Decision) -> None:
        """The account after a decision is what the next job of the batch finds."""
        account, before = decision.account, self._now.get(decision.account.key)
        self._now[account.key], self._compared = account, None
        if decision.charge is not None:
            self._charge(decision.charge)
        for entry in (decision.entry, decision.bonus):
            if entry is not None and entry.details.reverses is not None:
                taken_back = account.id, entry.details.reverses
                self.reversed[taken_back] = self.reversed.get(taken_back, 0) + abs(entry.amount)
        if isinstance(account.profile, User) and (before is None or before.profile is not account.profile):
            for telegram_id in [known for known, key in self.telegram_owners.items() if key == account.key]:
                del self.telegram_owners[telegram_id]
            if account.profile.telegram_id is not None:
                self.telegram_owners[account.profile.telegram_id] = account.key

    def _charge(self, charge: Charge) -> None:
        before = self.charges.get(charge.id)
        counted, did = charge.status in COUNTED, before is not None and before.status in COUNTED
        months = self.charged.get(charge.account_id, {})
        for first in months:
            if first <= charge.created_at:
                months[first] += charge.units * (counted - did)
        self.charges[charge.id] = charge

    def created(self) -> list[Account]:
        return [account for account, before in self._pairs() if before is None]

    def changed(self) -> list[Account]:
        """Accounts that existed and whose own row differs now."""
        return [account for account, before in self._pairs() if before is not None and account is not before]

    def changed_profiles(self) -> list[Account]:
        return [account for account, before in self._pairs() if before is None or account.profile is not before.profile]

    def changed_policies(self) -> list[Account]:
        return [account for account, before in self._pairs() if account.policy is not (before and before.policy)]

    def changed_charges(self) -> list[Charge]:
        return [charge for charge in self.charges.values() if charge is not self._charges_before.get(charge.id)]

    def changed_endpoints(self) -> list[Endpoint]:
        return [each for each in self.endpoints.values() if each != self._endpoints_before.get(each.id)]

    def changed_grants(self) -> list[tuple[int, Grant]]:
        """(account id, grant) of grants that are new or changed."""
        return [
            (account.id, grant)
            for account, before in self._pairs()
            for grant in _differing(account.grants, () if before is None else before.grants)
        ]

    def changed_holds(self) -> list[tuple[int, Hold]]:
        """(account id, hold) of holds that are new or changed."""
        return [
            (account.id, hold)
            for account, before in self._pairs()
            for hold in _differing(account.holds, () if before is None else before.holds)
        ]

    def _pairs(self) -> list[tuple[Account, Account | None]]:
        """Each account as it is now, and as it was when it was locked; None: it was not there."""
        if self._compared is None:
            self._compared = [(account, self._before.get(key)) for key, account in self._now.items()]
        return self._compared


def grants_named(wanted: Sequence[Any], originals: Mapping[UUID, Original]) -> set[UUID]:
    """Ids of the grants that these commands need to know of, even if nothing is left of them."""
    named = {command.grant_id for command in wanted if isinstance(command, commands.GrantVoid)}
    for command in wanted:
        if isinstance(command, commands.AccountRepair):
            named |= set(command.grants)
    for original in originals.values():
        for entry in original.entries:
            named |= {grant_id for grant_id, _ in entry.details.draws}
            named |= {part.grant_id for change in entry.details.holds for part in change.parts}
            if entry.details.grant_id is not None:
                named.add(entry.details.grant_id)
    return named


def holds_named(originals: Mapping[UUID, Original]) -> set[UUID]:
    """Ids of the holds that these jobs made or changed."""
    written = (entry for original in originals.values() for entry in original.entries)
    return {change.hold_id for entry in written for change in entry.details.holds}


def _differing(now: Sequence[T], before: Sequence[T]) -> list[T]:
    if now is before:
        return []
    known = {item.id: item for item in before}
    return [item for item in now if known.get(item.id) != item]
