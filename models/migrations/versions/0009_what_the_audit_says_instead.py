"""No foreign key is checked for each job: what these said, `balance-worker verify` says.

Workers of the version before go on: nothing that they write is refused. Going down puts the keys back, and reads all
rows for that while nothing is written.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_KEYS = (
    ("jobs", "account_id", "accounts"),
    ("entries", "account_id", "accounts"),
    ("entries", "job_id", "jobs"),
    ("outbox", "job_id", "jobs"),
    ("records", "account_id", "accounts"),
    ("records", "job_id", "jobs"),
    ("records", "journal", "journals"),
)
# In the order in which a batch comes to the tables. Who waits for them is in the way of all workers: for a second at
# most, and then all go on for a while.
_LOCK = """
do $$
begin
    for attempt in 1 .. 120 loop
        begin
            perform set_config('lock_timeout', '1s', true);
            lock table accounts, jobs, entries, outbox, journals, records in {mode} mode;
            perform set_config('lock_timeout', '0', true);
            return;
        exception when lock_not_available then
            perform pg_sleep(0.5);
        end;
    end loop;
    raise exception 'the tables are in use all the time: end what reads or writes them for long, and migrate again'
        using errcode = 'lock_not_available';
end $$
"""


def upgrade() -> None:
    op.execute(_LOCK.format(mode="access exclusive"))
    for table, column, other in _KEYS:
        op.drop_constraint(op.f(f"fk_{table}_{column}_{other}"), table)


def downgrade() -> None:
    op.execute(_LOCK.format(mode="share row exclusive"))
    for table, column, other in _KEYS:
        op.create_foreign_key(op.f(f"fk_{table}_{column}_{other}"), table, other, [column], ["id"])
