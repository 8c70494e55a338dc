"""What was asked stands in a table of its own, a partition a day: what is old is taken away with its day.

Bodies of before stay where they are until they are pruned as ever. The version before goes on: to it a body that is not
in `jobs` was pruned.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Ids of jobs begin with the milliseconds since 1970 at which they were settled: a day is a stretch of them.
_FIRST_ID = """
create function first_job_id(at timestamptz) returns uuid language sql immutable strict as $$
    select cast(lpad(to_hex(cast(floor(extract(epoch from at) * 1000) as bigint)), 12, '0') || repeat('0', 20) as uuid)
$$
"""
# Attached and not created in its place: that would keep all others out. Nothing is waited for: what has no day of its
# own goes to the rest, and whoever is in the way is gone an hour later. To attach a day, the server reads the rest
# while nobody may write there: it is not done when that would take long. Nor where Citus is: a node makes no tables.
_ADD_DAYS = """
create function add_job_days(first date, last date) returns void
language plpgsql set search_path = {schema}, pg_temp set lock_timeout = '100ms' as $$
declare
    day date := first;
    name text;
begin
    if to_regclass('pg_catalog.pg_dist_partition') is not null or pg_relation_size('job_bodies_rest') > 16 * 1048576
    then
        return;
    end if;
    while day <= last loop
        name := 'job_bodies_' || to_char(day, 'YYYYMMDD');
        if not exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
                       where i.inhparent = cast('job_bodies' as regclass) and c.relname = name) then
            begin
                execute format('create table %I (like job_bodies including all)', name);
                execute format(
                    'alter table job_bodies attach partition %I for values from (%L) to (%L)', name,
                    first_job_id(day at time zone 'UTC'), first_job_id((day + 1) at time zone 'UTC'));
            exception when lock_not_available or check_violation then
                null;
            end;
        end if;
        day := day + 1;
    end loop;
end $$
"""
_PRUNE = """
create or replace function prune_jobs(older_than_days integer, most integer, out pruned bigint, out until timestamptz)
language plpgsql security definer set search_path = {schema}, pg_temp set lock_timeout = '100ms' as $$
declare
    today constant date := cast(clock_timestamp() at time zone 'UTC' as date);
    before timestamptz;
    old record;
    is_full boolean;
    found bigint;
    last_id text;
    latest timestamptz;
begin
    if older_than_days is null or older_than_days < 1 then
        raise exception 'jobs are kept whole for a day at least' using errcode = '22023';
    end if;
    before := clock_timestamp() - make_interval(days => older_than_days);
    perform add_job_days(today + 1, today + 14);
    pruned := 0;
    -- Days that are over for long enough, the oldest first. One that somebody reads waits for the next time.
    for old in
        select c.relname as name, greatest(c.reltuples, 1) as jobs,
               (to_date(right(c.relname, 8), 'YYYYMMDD') + 1) at time zone 'UTC' as ends
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = cast('job_bodies' as regclass) and c.relname ~ '^job_bodies_[0-9]{{8}}$' order by 1
    loop
        exit when old.ends > before;
        begin
            execute format('select exists (select from %I)', old.name) into is_full;
            if is_full then
                execute format('truncate %I', old.name);
                pruned := pruned + old.jobs;
                until := old.ends - interval '1 microsecond';
            end if;
        exception when lock_not_available then
            exit;
        end;
        -- An empty day is in nobody's way, and this needs all of them out of it for a moment.
        continue when to_regclass('pg_catalog.pg_dist_partition') is not null;
        begin
            execute format('drop table %I', old.name);
        exception when lock_not_available then
            null;
        end;
    end loop;
    -- What came while it had no day.
    with gone as (
        delete from job_bodies_rest where job_id in (
            select job_id from job_bodies_rest where job_id < first_job_id(before)
            order by job_id limit most for update skip locked)
        returning job_id)
    select count(*), max(cast(job_id as text)) into found, last_id from gone;
    until := greatest(until, to_timestamp(
        cast(cast('x' || left(replace(last_id, '-', ''), 12) as bit(48)) as bigint) / 1000.0
    ) + interval '999 microseconds');
    pruned := pruned + found;
    -- What is older than this table. Rows are locked in the order of the index that finds them, a bounded number at a
    -- time; a second beat takes the others.
    with gone as (
        update jobs set body = null where id in (
            select id from jobs where body is not null and settled_at < before
            order by settled_at limit most for update skip locked)
        returning settled_at)
    select count(*), max(settled_at) into found, latest from gone;
    pruned := pruned + found;
    until := greatest(until, latest);
end $$
"""
_PRUNE_BEFORE = """
create or replace function prune_jobs(older_than_days integer, most integer, out pruned bigint, out until timestamptz)
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
    if older_than_days is null or older_than_days < 1 then
        raise exception 'jobs are kept whole for a day at least' using errcode = '22023';
    end if;
    -- Rows are locked in the order of the index that finds them, a bounded number at a time; a second beat takes the
    -- others. The answer stays as it was given: events that are on their way are made from it.
    with old as (
    update jobs set body = null
    where id in (
        select id from jobs
        where body is not null and settled_at < clock_timestamp() - make_interval(days => older_than_days)
        order by settled_at limit most for update skip locked)
    returning id, settled_at)
    select count(*), max(settled_at) into pruned, until from old;
end $$
"""


def upgrade() -> None:
    op.create_table(
        "job_bodies",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("body", postgresql.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_bodies")),
        postgresql_partition_by="range (job_id)",
    )
    op.execute("create table job_bodies_rest partition of job_bodies default")
    _function(_FIRST_ID)
    _function(_ADD_DAYS)
    for function in ("first_job_id(timestamptz)", "add_job_days(date, date)"):
        op.execute(f"revoke all on function {function} from public")
    op.execute(
        "select add_job_days(day, day + 14)"
        " from (select cast(clock_timestamp() at time zone 'UTC' as date)) as today (day)"
    )
    _function(_PRUNE)


def downgrade() -> None:
    """The version before keeps them in the rows of their jobs."""
    _function(_PRUNE_BEFORE)
    op.execute("update jobs j set body = b.body from job_bodies b where b.job_id = j.id and j.body is null")
    op.drop_table("job_bodies")
    op.execute("drop function add_job_days(date, date)")
    op.execute("drop function first_job_id(timestamptz)")


def _function(statement: str) -> None:
    [schema] = op.get_bind().execute(sa.text("select quote_ident(current_schema())")).scalars()
    op.execute(sa.text(statement.format(schema=schema).replace(":", r"\:")))
