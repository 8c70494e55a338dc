"""Auto top-up, for whoever looks: where a policy stands and what a look would come to now, and what was charged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import Account, AccountKey, Kind
from models.domain.auto_topup.calendar import month_of
from models.domain.auto_topup.evaluation import Fire, Hold, evaluate, place
from models.domain.charging.charges import Charge, ChargeStatus
from models.domain.credits import balance as credits
from models.domain.deciding.decision import Charging, DecisionContext, Limits
from models.domain.outcome import Code
from models.store.read import accounts as history
from models.store.read.page import Page
from models.store.write import accounts
from models.store.write.top_ups import charges, switches

_ACCOUNTS: Final = ", ".join(f"a.{name}" for name in accounts.COLUMNS.split(", "))
_POLICIES: Final = f"""
    select {_ACCOUNTS} from policies p join accounts a on a.id = p.account_id {{where}}
    order by {{order}} limit :limit
"""  # noqa: S608 - our own column list
_CHARGES: Final = f"""
    select {charges.COLUMNS}, a.kind, a.ref, a.scale, c.attempts, c.ask_at, c.answer
    from charges c join accounts a on a.id = c.account_id {{where}} order by c.created_at desc, c.id desc limit :limit
"""  # noqa: S608 - as above
_OPEN: Final = text(f"""
    select {charges.COLUMNS}, a.kind, a.ref, a.scale, c.attempts, c.ask_at, c.answer
    from charges c join accounts a on a.id = c.account_id
    where c.account_id = any(cast(:ids as bigint[])) and c.status in ('pending', 'needs_action')
""")  # noqa: S608 - as above
_DECLINED: Final = text("""
    select distinct on (account_id) account_id, code from charges
    where account_id = any(cast(:ids as bigint[])) and status = 'declined'
    order by account_id, created_at desc
""")
_LOOKS: Final = text("""
    select id, settled_at, name, code, cast(outcome as jsonb) #>> '{response,reason}' as reason,
           cast(outcome as jsonb) #>> '{response,spendable}' as spendable,
           cast(outcome as jsonb) #>> '{response,not_before}' as not_before,
           cast(outcome as jsonb) #>> '{response,suspended}' as suspended,
           cast(outcome as jsonb) #>> '{error,body,error,details,reason}' as refused
    from (
        select j.* from jobs j where j.account_id = :account_id
        union all
        select j.* from entries e join jobs j on j.id = e.job_id where e.account_id = :account_id and e.part = 0
    ) as j
    where name = 'autotopup.top_up' or name like 'auto\\_topup.%' or name = 'charges.settle'
    order by settled_at desc, id desc limit :limit
""")


@dataclass(frozen=True, slots=True)
class TopUpStanding:
    """An account's policy, and what a look at it comes to at this time."""

    account: Account
    at: datetime
    spendable: int
    result: Fire | Hold
    charged: int | None  # units that count towards this month's cap; None: it has no cap
    charge: ChargeShown | None  # the one that is open
    last_decline: str | None  # the code of the last declined charge


@dataclass(frozen=True, slots=True)
class ChargeShown:
    """A charge with its account, and how the asking goes."""

    charge: Charge
    account: AccountKey
    scale: int
    attempts: int
    ask_at: datetime | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class LookShown:
    """A job about the policy and what it came to."""

    job_id: UUID
    at: datetime
    job: str
    code: Code
    reason: str | None
    spendable: str | None  # decimal
    until: str | None
    suspended: str | None


def standing(connection: Connection, key: AccountKey, limits: Limits) -> TopUpStanding | None:
    """How the account's auto top-up stands; None when there is no such account. `limits`: the deployment's."""
    account = history.account(connection, key)
    return None if account is None else _standing(connection, [account], limits)[0]


def standings(
    connection: Connection, limits: Limits, limit: int, *, due: bool = False, after: AccountKey | None = None
) -> Page[TopUpStanding]:
    """Up to `limit` accounts that have a policy, in the order of their names; with `due`, those that are to be looked
    at now, whoever has waited longest first."""
    if due:
        where, order = "where p.due_at <= clock_timestamp()", "p.due_at"
    else:
        where, order = "where p.trigger <> 'disabled' or p.open_charge is not null", "a.kind, a.ref"
    parameters: dict[str, Any] = {"limit": limit + 1}
    if after is not None and not due:
        where = f"{where.replace('where ', 'where (')}) and (a.kind, a.ref) > (:after_kind, :after_ref)"
        parameters |= {"after_kind": after.kind.value, "after_ref": after.ref}
    rows = connection.execute(text(_POLICIES.format(where=where, order=order)), parameters).all()
    by_id = {account.id: account for account in accounts.read(connection, rows)}
    return Page.of(_standing(connection, [by_id[row.id] for row in rows], limits), limit)


def charge_list(
    connection: Connection,
    limit: int,
    *,
    account: AccountKey | None = None,
    statuses: Sequence[ChargeStatus] = (),
    after: UUID | None = None,
) -> Page[ChargeShown]:
    """Up to `limit` charges, the newest first, from after the charge `after`."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {"limit": limit + 1}
    if account is not None:
        conditions.append("a.kind = :kind and a.ref = :ref")
        parameters |= {"kind": account.kind.value, "ref": account.ref}
    if statuses:
        conditions.append("c.status = any(:statuses)")
        parameters["statuses"] = [status.value for status in statuses]
    if after is not None:
        conditions.append("(c.created_at, c.id) < (select created_at, id from charges where id = :after)")
        parameters["after"] = after
    where = f"where {' and '.join(conditions)}" if conditions else ""
    rows = connection.execute(text(_CHARGES.format(where=where)), parameters)
    return Page.of([_charge(row) for row in rows], limit)


def charge(connection: Connection, charge_id: UUID) -> ChargeShown | None:
    row = connection.execute(text(_CHARGES.format(where="where c.id = :id")), {"id": charge_id, "limit": 1}).first()
    return None if row is None else _charge(row)


def looks(connection: Connection, account_id: int, limit: int) -> list[LookShown]:
    """What was decided about the account's top-ups, the newest first."""
    found = connection.execute(_LOOKS, {"account_id": account_id, "limit": limit})
    return [
        LookShown(
            row.id, row.settled_at, row.name, Code(row.code), row.reason or row.refused, row.spendable,
            row.not_before, row.suspended,
        )
        for row in found
    ]  # fmt: skip


def _standing(connection: Connection, found: Sequence[Account], limits: Limits) -> list[TopUpStanding]:
    at = history.now(connection)
    months = {each.id: [month_of(at, place(each))] for each in found if each.policy and each.policy.monthly_cap}
    charged = charges.counted(connection, months) if months else {}
    paused = not limits.charging or not switches.is_on(connection, switches.CHARGING)
    context = DecisionContext(at, limits, charging=Charging(paused, charged))
    ids = {"ids": [each.id for each in found]}
    opened = {shown.charge.account_id: shown for shown in map(_charge, connection.execute(_OPEN, ids))}
    declined = {row.account_id: row.code for row in connection.execute(_DECLINED, ids)}
    return [
        TopUpStanding(
            each, at, credits.spendable(each, at), evaluate(each, context),
            sum(charged[each.id].values()) if each.id in months else None, opened.get(each.id), declined.get(each.id),
        )
        for each in found
    ]  # fmt: skip


def _charge(row: Any) -> ChargeShown:
    found = charges.from_row(row)
    return ChargeShown(found, AccountKey(Kind(row.kind), row.ref), row.scale, row.attempts, row.ask_at, row.answer)
