"""The audit of charges: each that succeeded has one credit of its amount, and no auto top-up is without a charge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from models.domain.evidence.finding import Finding

_WRONG: Final = text("""
    select a.kind, a.ref, e.seq, case
        when e.job_id is null then 'charge ' || c.id || ' is ' || c.status || ', and no entry credits it'
        else 'charge ' || c.id || ' of ' || c.units || ' is credited with ' || e.amount end as problem
    from charges c join accounts a on a.id = c.account_id
    left join entries e on e.job_id = c.credited_by and e.account_id = c.account_id and e.part = 0
    where c.credited_by is not null and (e.amount is null or e.amount <> c.units)
      and c.account_id between :first and :last
    union all
    select a.kind, a.ref, null, 'charge ' || c.id || ' is open, and its policy does not know it'
    from charges c join accounts a on a.id = c.account_id join policies p on p.account_id = c.account_id
    where c.status in ('pending', 'needs_action') and p.open_charge is distinct from c.id
      and c.account_id between :first and :last
    union all
    select a.kind, a.ref, null, 'the policy has charge ' || p.open_charge || ' open, which is not'
    from policies p join accounts a on a.id = p.account_id left join charges c on c.id = p.open_charge
    where p.open_charge is not null and (c.id is null or c.status not in ('pending', 'needs_action'))
      and p.account_id between :first and :last
    union all
    select a.kind, a.ref, null, 'charge ' || c.id || ' was made by no job of its account that made one'
    from charges c join accounts a on a.id = c.account_id left join jobs j on j.id = c.id
    where (j.id is null or j.name not in ('autotopup.top_up', 'auto_topup.run_now') or j.status <> 'applied')
      and c.account_id between :first and :last
    order by 1, 2
""")
# An auto top-up from before there were charges has none, and another reason. Events below 0: from before the records.
_UNASKED: Final = text("""
    select a.kind, a.ref, e.seq, 'job ' || j.id || ' (' || j.name || ') credits a top-up that no charge asked for'
        as problem
    from entries e join jobs j on j.id = e.job_id join accounts a on a.id = e.account_id
    where j.name in ('autotopup.top_up', 'auto_topup.run_now', 'charges.settle') and e.kind in ('credit', 'deposit')
      and (j.name <> 'autotopup.top_up' or e.reason = 'PURCHASED_CREDIT_INVOICED') and j.events >= 0
      and not exists (select from charges c where c.credited_by = j.id)
      and j.id between :first and :last
    order by 1, 2
""")


def of_accounts(connection: Connection, between: Mapping[str, int]) -> Iterator[Finding]:
    """What is wrong with charges of accounts with ids from `first` to `last`."""
    return _named(connection.execute(_WRONG, between))


def of_jobs(connection: Connection, between: Mapping[str, UUID]) -> Iterator[Finding]:
    """What jobs with ids from `first` to `last` credited that no charge asked for."""
    return _named(connection.execute(_UNASKED, between))


def _named(found: Iterable[Row[Any]]) -> Iterator[Finding]:
    for row in found:
        yield Finding(f"{row.kind}:{row.ref}", row.seq, row.problem)
