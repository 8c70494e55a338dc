"""The audit of charges: each that succeeded has one credit of its amount, and no auto top-up is without a charge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, text

from models.domain.evidence.finding import Finding

# An auto top-up from before there were charges has none, and another reason. Events below 0: from before the records.
_WRONG: Final = text("""
    select a.kind, a.ref, e.seq, case
        when e.job_id is null then 'charge ' || c.id || ' is ' || c.status || ', and no entry credits it'
        else 'charge ' || c.id || ' of ' || c.units || ' is credited with ' || e.amount end as problem
    from charges c join accounts a on a.id = c.account_id
    left join entries e on e.job_id = c.credited_by and e.account_id = c.account_id and e.part = 0
    where c.credited_by is not null and (e.amount is null or e.amount <> c.units)
    union all
    select a.kind, a.ref, e.seq, 'job ' || j.id || ' (' || j.name || ') credits a top-up that no charge asked for'
    from entries e join jobs j on j.id = e.job_id join accounts a on a.id = e.account_id
    where j.name in ('autotopup.top_up', 'auto_topup.run_now', 'charges.settle') and e.kind in ('credit', 'deposit')
      and (j.name <> 'autotopup.top_up' or e.reason = 'PURCHASED_CREDIT_INVOICED') and j.events >= 0
      and not exists (select from charges c where c.credited_by = j.id)
    union all
    select a.kind, a.ref, null, 'charge ' || c.id || ' is open, and its policy does not know it'
    from charges c join accounts a on a.id = c.account_id join policies p on p.account_id = c.account_id
    where c.status in ('pending', 'needs_action') and p.open_charge is distinct from c.id
    union all
    select a.kind, a.ref, null, 'the policy has charge ' || p.open_charge || ' open, which is not'
    from policies p join accounts a on a.id = p.account_id left join charges c on c.id = p.open_charge
    where p.open_charge is not null and (c.id is null or c.status not in ('pending', 'needs_action'))
    union all
    select a.kind, a.ref, null, 'charge ' || c.id || ' was made by no job of its account that made one'
    from charges c join accounts a on a.id = c.account_id left join jobs j on j.id = c.id
    where j.id is null or j.name not in ('autotopup.top_up', 'auto_topup.run_now') or j.status <> 'applied'
    order by 1, 2
""")


def findings(connection: Connection) -> Iterator[Finding]:
    """What is wrong with charges."""
    for row in connection.execute(_WRONG):
        yield Finding(f"{row.kind}:{row.ref}", row.seq, row.problem)
