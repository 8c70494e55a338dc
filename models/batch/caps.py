"""Months in which a cap may matter to a batch.

A cap is about a month where the policy lives. Jobs of the same batch may set one, or move it to another place: what
counts in each of these months is read before the first of them is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from models.batch.working_set import WorkingSet
from models.domain.accounts import Account, AccountKey, Wallet
from models.domain.auto_topup.calendar import Month, month_of
from models.domain.auto_topup.evaluation import place
from models.domain.deciding import commands, top_up_commands

_MOVES: Final = (top_up_commands.PolicySet, commands.WalletUpdate, commands.WalletCreate)
"""What may set a cap, or say where it is."""


def may_charge(wanted: Sequence[Any]) -> bool:
    """Whether one of these commands needs to know of charges beyond its account's policy."""
    return any(isinstance(command, top_up_commands.MAY_CHARGE) for command in wanted)


def capped_months(wanted: Sequence[Any], working_set: WorkingSet, now: datetime) -> dict[int, set[Month]]:
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
