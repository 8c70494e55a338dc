"""Who else has what was committed, and whom a commit waits for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

# Others than superusers see of a receiver no more than that it is there, unless they have pg_read_all_stats.
_LOOK: Final = text("""
    select current_setting('synchronous_standby_names') as names,
           pg_has_role(current_user, 'pg_read_all_stats', 'usage') as seen,
           count(*) filter (where slot.slot_name is null and r.state is distinct from 'backup') as receivers,
           count(*) filter (where r.sync_state in ('sync', 'quorum')) as synchronous,
           (select count(*) from pg_stat_activity
            where wait_event = 'SyncRep' and query_start < clock_timestamp() - interval '2 seconds') as waiting
    from pg_stat_replication r
    left join pg_replication_slots slot on slot.active_pid = r.pid and slot.slot_type = 'logical'
""")
_COUNTED: Final = re.compile(r"\s*(?:(?:first|any)\s+)?(\d+)\s*\(", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Standbys:
    needed: int  # synchronous ones that a commit waits for; 0: for none
    receivers: int  # of the whole log: standbys, and programs that keep it
    synchronous: int | None  # of them, that count as synchronous now; None: this role may not see
    waiting: int  # commits that this role sees waiting for one for longer than 2 s


def look(connection: Connection) -> Standbys:
    row = connection.execute(_LOOK).one()
    return Standbys(_needed(row.names), row.receivers, row.synchronous if row.seen else None, row.waiting)


def _needed(names: str) -> int:
    """`FIRST 2 (a, b, c)`, `ANY 1 (a, b)`, `2 (a, b)`; `a, b` is `FIRST 1 (a, b)`."""
    counted = _COUNTED.match(names)
    return int(counted[1]) if counted else int(bool(names.strip()))
