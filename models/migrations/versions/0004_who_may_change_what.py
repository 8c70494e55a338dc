"""Pruning as the owner, and what the database remembers of anchors.

The workers' role changes no job and deletes no event any more; what may go, a function takes away.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Nothing is looked for where the caller could put something of its own: what is temporary comes last.
_PRUNE = """
create function prune_jobs(older_than_days integer, most integer, out pruned bigint, out until timestamptz)
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
    if older_than_days is null or older_than_days < 1 then
        raise exception 'jobs are kept whole for a day at least' using errcode = '22023';
    end if;
    -- Rows are locked in the order of the index that finds them, a bounded number at a time; a second beat takes the
    -- others. The answer stays as it was given. Events that old go with the body.
    with old as (
    update jobs set body = null
    where id in (
        select id from jobs
        where body is not null and settled_at < clock_timestamp() - make_interval(days => older_than_days)
        order by settled_at limit most for update skip locked)
    returning id, settled_at),
    untold as (delete from outbox where job_id in (select id from old))
    select count(*), max(settled_at) into pruned, until from old;
end $$
"""


def upgrade() -> None:
    [schema] = op.get_bind().execute(sa.text("select quote_ident(current_schema())")).scalars()
    op.execute(sa.text(_PRUNE.format(schema=schema).replace(":", r"\:")))
    op.execute("revoke all on function prune_jobs(integer, integer) from public")
    op.create_table(
        "anchors",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_anchors_sequence_from_one")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_anchors_hash_length")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_anchors")),
    )


def downgrade() -> None:
    op.drop_table("anchors")
    op.execute("drop function prune_jobs(integer, integer)")
