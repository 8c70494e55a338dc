"""How far an account had come at a time: the number of its last entry before it, and the balance that it left.

An account's entries are numbered in the order of time, so that halving finds the number: a look at as many entries as
the number of entries has bits, through the primary key, however many there are, and no index by time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

# The number of the last entry of account `a` before {at}, which is neither less than {low} nor more than {high}.
HALVED: Final = """
    with recursive halved (low, high) as (
        select cast({low} as bigint), cast({high} as bigint)
        union all
        select case when m.created_at < {at} then m.seq else h.low end,
               case when m.created_at < {at} then h.high else m.seq - 1 end
        from halved h join entries m on m.account_id = a.id and m.seq = (h.low + h.high + 1) / 2
        where h.low < h.high
    )
    select high from halved where low >= high
"""
_HALVED: Final = HALVED.format(low="0", high="a.seq", at=":{at}")
# The same, wherever the account stood then. Of an account that nothing has touched since, or that is younger, no entry
# is looked at: a report has many of them. `offset 0` has it found once, wherever the number is used.
LAST_BEFORE: Final = f"""
    select case
        when a.updated_at < :{{at}} then a.seq
        when a.seq = 0 or a.created_at >= :{{at}} then 0
        else ({_HALVED})
    end as seq offset 0
"""
BALANCE_AT: Final = """
    case {seq} when 0 then 0
    else (select b.balance_after from entries b where b.account_id = a.id and b.seq = {seq}) end
"""
_STOOD: Final = text(f"""
    select s.seq, ({BALANCE_AT.format(seq="s.seq")}) as balance
    from accounts a cross join lateral ({LAST_BEFORE.format(at="at")}) as s where a.id = :account_id
""")  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class Stood:
    """Where an account stood at a time."""

    seq: int  # of its last entry before it; 0: there was none
    balance: int  # Σ amounts up to that entry, in units


def stood(connection: Connection, account_id: int, at: datetime) -> Stood:
    """Where the account stood at this time: after its last entry before it."""
    row = connection.execute(_STOOD, {"account_id": account_id, "at": at}).one()
    return Stood(row.seq, row.balance)
