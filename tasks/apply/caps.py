"""What jobs that may charge need to know beyond their accounts: the switch, and what counts towards caps.

A cap is about a month where the policy lives. Jobs of the same batch may set one, or move it to another place: what
counts in each of these months is read before the first of them is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from models.domain.accounts import Account, AccountKey, Wallet
from models.domain.auto_topup.calendar import Month, month_of
from models.domain.auto_topup.evaluation import place
from models.domain.deciding import commands, top_up_commands
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Charging
from models.domain.outcome import Refusal
from models.store.write.top_ups import charges, switches
from tasks.apply.working_set import WorkingSet

_MOVES: Final = (top_up_commands.PolicySet, commands.WalletUpdate, commands.WalletCreate)
"""What may set a cap, or say where it is."""


def load_charging(
    connection: Connection, jobs: Sequence[Job], working_set: WorkingSet, now: datetime, *, on: bool
) -> Charging | None:
    """None when no job may charge. `on`: by the settings."""
    wanted = [job.command for job in jobs if not isinstance(job.command, Refusal)]
    if not any(isinstance(command, top_up_commands.MAY_CHARGE) for command in wanted):
        return None
    if capped := _months(wanted, working_set, now):
        working_set.charged.update(charges.counted(connection, capped))
    paused = not on or not switches.is_on(connection, switches.CHARGING)
    return Charging(paused, working_set.charged, working_set.charges)


def _months(wanted: Sequence[Any], working_set: WorkingSet, now: datetime) -> dict[int, set[Month]]:
    """By account id, of those that may be charged and may have a cap by the time they are. `wanted`: the commands."""
    moves: dict[AccountKey, list[Any]] = {}
    for command in wanted:
        if isinstance(command, _MOVES):
            moves.setdefault(command.target, []).append(command)
    found: dict[int, set[Month]] = {}
    for target in {command.target for command in wanted if isinstance(command, top_up_commands.MAY_CHARGE)}:
        account = working_set.find(target)
        key = target if account is None else account.key
        if not isinstance(key, AccountKey):
            continue  # of a charge that is not there
        account_id = working_set.new_ids.get(key) if account is None else account.id
        moved = moves.get(key, [])
        capped = account is not None and account.policy is not None and account.policy.monthly_cap is not None
        if account_id is not None and (capped or any(isinstance(each, top_up_commands.PolicySet) for each in moved)):
            found[account_id] = {month_of(now, timezone) for timezone in _places(account, moved)}
    return found


def _places(account: Account | None, moved: Sequence[Any]) -> set[str | None]:
    """The time zones that the account's months may be in while the batch is decided."""
    if account is not None and not moved:
        return {place(account)}
    named = {_named(command) for command in moved}
    if account is not None:
        named.add(None if account.policy is None else account.policy.timezone)
        named.add(account.profile.timezone if isinstance(account.profile, Wallet) else None)
    return {None, *named}


def _named(command: Any) -> str | None:
    named: str | None
    match command:
        case top_up_commands.PolicySet():
            named = command.terms.timezone
        case commands.WalletUpdate():
            named = command.changes.get("timezone")
        case _:
            named = command.terms.get("timezone")
    return named
