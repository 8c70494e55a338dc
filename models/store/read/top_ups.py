"""Auto top-up, for whoever looks: where a policy stands, and what a look at it would come to now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from models.domain.accounts import Account, AccountKey
from models.domain.auto_topup.calendar import month_of
from models.domain.auto_topup.evaluation import Fire, Hold, evaluate, place
from models.domain.credits import balance as credits
from models.domain.deciding.commands import TelegramUser
from models.domain.deciding.decision import Charging, DecisionContext, Limits
from models.python310 import StrEnum
from models.store.read import accounts as history
from models.store.read.charges import ChargeShown, open_charges
from models.store.read.page import Page, Searched
from models.store.write import accounts
from models.store.write.top_ups import charges, switches
from models.store.write.top_ups.switches import Switch

_ACCOUNTS: Final = ", ".join(f"a.{name}" for name in accounts.COLUMNS.split(", "))
_POLICIES: Final = f"""
    select {_ACCOUNTS} from policies p join accounts a on a.id = p.account_id
    where {{which}} order by a.kind, a.ref limit :limit
"""  # noqa: S608 - our own column list
_OF: Final = f"select {_ACCOUNTS} from accounts a where a.id = any(cast(:ids as bigint[])) order by a.id"  # noqa: S608
_AGREED: Final = "(p.trigger <> 'disabled' or p.open_charge is not null)"
_DUE: Final = "p.due_at <= clock_timestamp()"
_AFTER: Final = "(a.kind, a.ref) > (:after_kind, :after_ref)"
_DECLINED: Final = text("""
    select wanted.id as account_id, found.code from unnest(cast(:ids as bigint[])) as wanted (id), lateral (
        select c.code from charges c where c.account_id = wanted.id and c.status = 'declined'
        order by c.created_at desc limit 1
    ) as found
""")
# Which accounts: each of them goes through an index, or looks at so many policies and no more.
_AMONG: Final = """
    select account_id from (select * from policies where account_id > :after order by account_id limit :most) as p
    where {condition} order by account_id limit :limit
"""
_WHICH: Final = {
    "all": _AMONG.format(condition=_AGREED),
    "suspended": _AMONG.format(condition="p.suspended is not null"),
    "due": """
        select account_id from policies p where p.due_at <= clock_timestamp()
          and (p.due_at, p.account_id) > (coalesce(cast(:due_after as timestamptz), '-infinity'), :after)
        order by p.due_at, p.account_id limit :limit
    """,
    "charging": """
        select account_id from charges
        where status in ('pending', 'needs_action') and account_id > :after order by account_id limit :limit
    """,
}
_DUE_AT: Final = text("select due_at from policies where account_id = :after")
_LAST_OF: Final = text("""
    select account_id from policies where account_id > :after order by account_id offset :most - 1 limit 1
""")
# While a policy is suspended little about it changes: its last records say since when.
_SUSPENDED: Final = text("""
    select wanted.id, found.settled_at from unnest(cast(:ids as bigint[])) as wanted (id), lateral (
        select j.settled_at from records r join jobs j on j.id = r.job_id
        where r.account_id = wanted.id and r.number is not null
          and cast(r.content as jsonb) #>> '{suspended,1}' is not null
        order by r.number desc limit 1
    ) as found
""")


@dataclass(frozen=True, slots=True)
class TopUpStanding:
    """An account's policy, and what a look at it comes to at this time."""

    account: Account
    at: datetime
    spendable: int
    result: Fire | Hold
    unpaused: Fire | Hold  # the same, were charging not paused
    charged: int  # units that count towards this month's cap; 0 where there is none
    month_ends: datetime  # where the policy lives
    charge: ChargeShown | None  # the one that is open
    last_decline: str | None  # the code of the last declined charge
    suspended_at: datetime | None  # None: it is not, or that is not known
    switch: Switch | None  # that has charging paused, for all


def standing(connection: Connection, name: AccountKey | TelegramUser, limits: Limits) -> TopUpStanding | None:
    """How the account's auto top-up stands; None when there is no such account. `limits`: the deployment's."""
    account = history.account(connection, name)
    return None if account is None else _standings(connection, [account], limits)[0]


def standings(
    connection: Connection, limits: Limits, limit: int, *, due: bool = False, after: AccountKey | None = None
) -> Page[TopUpStanding]:
    """Up to `limit` accounts that have a policy, in the order of their names, from after the account `after`; with
    `due`, those alone that are to be looked at now."""
    which = [_DUE if due else _AGREED]
    parameters: dict[str, Any] = {"limit": limit + 1}
    if after is not None:
        which.append(_AFTER)
        parameters |= {"after_kind": after.kind.value, "after_ref": after.ref}
    rows = connection.execute(text(_POLICIES.format(which=" and ".join(which))), parameters).all()
    return Page.of(_standings(connection, accounts.read(connection, rows), limits), limit)


class Which(StrEnum):
    """Policies as a page tells them apart."""

    ALL = "all"  # in force, or with a charge that is open
    DUE = "due"  # to be looked at now
    SUSPENDED = "suspended"
    CHARGING = "charging"  # a charge is open


def search(
    connection: Connection, limits: Limits, which: Which, limit: int, most: int, after: int | None = None
) -> Searched[TopUpStanding]:
    """Up to `limit` accounts, from after the account with the id `after`; it looks at no more than `most` policies.

    Those that are due come in the order in which they are looked at, the others in the order of their ids."""
    given: dict[str, Any] = {"after": after or 0, "most": most, "limit": limit + 1, "due_after": None}
    if which is Which.DUE and after is not None:
        given["due_after"] = connection.execute(_DUE_AT, given).scalar()
    ids = [*connection.execute(text(_WHICH[which]), given).scalars()]
    found = {each.id: each for each in accounts.read(connection, connection.execute(text(_OF), {"ids": ids}).all())}
    rows = tuple(_standings(connection, [found[each] for each in ids[:limit]], limits))
    if len(ids) > limit:
        return Searched(rows, rows[-1].account.id, gave_up=False)
    if which in (Which.DUE, Which.CHARGING):  # through an index of nothing else
        return Searched(rows, None, gave_up=False)
    further = connection.execute(_LAST_OF, given).scalar()
    return Searched(rows, further, gave_up=further is not None)


def _standings(connection: Connection, found: Sequence[Account], limits: Limits) -> list[TopUpStanding]:
    at = history.now(connection)
    months = {each.id: month_of(at, place(each)) for each in found}
    capped = {each.id: [months[each.id]] for each in found if each.policy is not None and each.policy.monthly_cap}
    charged = charges.counted(connection, capped) if capped else {}
    switch = switches.read(connection, switches.CHARGING)
    off = None if switch is None or switch.is_on else switch
    context = DecisionContext(at, limits, charging=Charging(not limits.charging or off is not None, charged))
    unpaused = replace(context, charging=Charging(paused=False, charged=charged))
    opened = open_charges(connection, list(months))
    declining = [each.id for each in found if each.policy is not None and each.policy.declines]
    declined = (
        {row.account_id: row.code for row in connection.execute(_DECLINED, {"ids": declining})} if declining else {}
    )
    ids = [each.id for each in found if each.policy is not None and each.policy.suspended is not None]
    suspended = {row.id: row.settled_at for row in connection.execute(_SUSPENDED, {"ids": ids})} if ids else {}
    return [
        TopUpStanding(
            account=each,
            at=at,
            spendable=credits.spendable(each, at),
            result=evaluate(each, context),
            unpaused=evaluate(each, unpaused),
            charged=sum(charged.get(each.id, {}).values()),
            month_ends=months[each.id][1],
            charge=opened.get(each.id),
            last_decline=declined.get(each.id),
            suspended_at=suspended.get(each.id),
            switch=off,
        )
        for each in found
    ]
