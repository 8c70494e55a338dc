"""Journals: chains of records of what decides and is no entry; jobs remember what they told.

What is there already is recorded as it is found: the terms of each account, and sums over the jobs, grants and holds
whose entries were chained without them. A change of either is noticed from now on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_JOURNALS = 16


def upgrade() -> None:
    # Going down leaves it, for the entries that were chained with it. Below zero: as null, before the records; it told
    # -1 - events.
    op.execute("alter table jobs add column if not exists events smallint")
    op.execute("update jobs set events = -1 - events where events >= 0")
    # Every account that is there gets its opening record, which is number 1. No row is written again for it.
    op.add_column("accounts", sa.Column("changes", sa.BigInteger(), nullable=False, server_default=sa.text("1")))
    op.alter_column("accounts", "changes", server_default=None)
    op.create_table(
        "journals",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("seq >= 0 and (seq = 0) = (head = ''::bytea)", name=op.f("ck_journals_head_of_chain")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journals")),
    )
    # Few rows that change all the time: each on a page with room for its next versions.
    op.execute("alter table journals set (fillfactor = 10)")
    op.execute(f"insert into journals select n, 0, '' from generate_series(1, {_JOURNALS}) as n")  # noqa: S608 - a number of ours
    op.create_table(
        "records",
        sa.Column("journal", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("after", sa.BigInteger(), nullable=True),
        sa.Column("content", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_records_seq_from_one")),
        sa.CheckConstraint("kind in ('job', 'pruned', 'opening', 'before')", name=op.f("ck_records_kind")),
        sa.CheckConstraint("(kind = 'job') = (job_id is not null)", name=op.f("ck_records_job_of_a_job")),
        sa.CheckConstraint(
            "number is null or (account_id is not null and number >= 1)", name=op.f("ck_records_change_of_an_account")
        ),
        sa.CheckConstraint("(account_id is null) = (after is null)", name=op.f("ck_records_place_in_an_account")),
        sa.CheckConstraint(
            "octet_length(hash) = 32 and octet_length(prev_hash) = case seq when 1 then 0 else 32 end",
            name=op.f("ck_records_hash"),
        ),
        sa.ForeignKeyConstraint(["journal"], ["journals.id"], name=op.f("fk_records_journal_journals")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_records_job_id_jobs")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_records_account_id_accounts")),
        sa.PrimaryKeyConstraint("journal", "seq", name=op.f("pk_records")),
    )
    op.create_index(
        "uq_records_account_id_number",
        "records",
        ["account_id", "number"],
        unique=True,
        postgresql_where=sa.text("number is not null"),
    )
    op.execute(_RECORD)
    op.execute("drop function pg_temp.write_down(bigint, bytea, text, bigint, bigint, bigint, text)")


def downgrade() -> None:
    """Entries written since then are chained with their jobs: an older version's `verify` calls them changed. The
    column jobs.events stays: it is part of their hashes, and no trouble to an older version."""
    op.drop_index("uq_records_account_id_number", table_name="records", postgresql_where=sa.text("number is not null"))
    op.drop_table("records")
    op.drop_table("journals")
    op.drop_column("accounts", "changes")


def _time(column: str) -> str:
    return f"""to_char({column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


def _was(**columns: str) -> str:
    """SQL of JSON: each of the names with [null, what the column says]."""
    return ", ".join(f"'{name}', json_build_array(null, {column})" for name, column in columns.items())


def _same(table: str, *names: str) -> dict[str, str]:
    return {name: f"{table}.{name}" for name in names}


_ACCOUNT = _was(
    account="a.kind || ':' || a.ref",
    **_same("a", "unit", "scale", "floor"),
    **{name: _time(f"a.{name}") for name in ("set_at", "created_at", "updated_at")},
)
_USER = _was(**_same("u", "user_id", "telegram_id", "status"))
_WALLET = _was(
    **_same("w", "customer_id", "currency", "wallet_type", "status", "config", "trigger", "min_balance"),
    **_same("w", "top_up_amount", "crossing", "overdraft_allowed", "timezone", "suspended", "wanted"),
    conversion_rate="cast(trim_scale(w.conversion_rate) as text)",
    due_at=_time("w.due_at"),
    topped_up_at=_time("w.topped_up_at"),
)
_APP = _was(**_same("p", "app_id", "store_id", "decrease_only"))

_US = "cast(extract(epoch from {}) * 1000000 as bigint)"
_JOBS = f"""
    select j.id, sha256(convert_to('1 ' || j.id || ' ' || encode(j.fingerprint, 'hex') || ' ' || j.status || ' '
        || j.code || ' ' || coalesce(j.account_id, 0) || ' '
        || case when j.events < 0 then -1 - j.events else 0 end || ' ' || {_US.format("j.settled_at")}
        || ' ' || length(j.name) || ':' || j.name || ' ' || length(j.producer) || ':' || j.producer
        || ' ' || length(j.idempotency_key) || ':' || j.idempotency_key || ' ' || cast(j.outcome as text), 'UTF8'))
        as digest
    from jobs j
"""  # noqa: S608 - queries of ours
_GRANTS = f"""
    select g.id, sha256(convert_to(g.id || ' ' || g.account_id || ' ' || g.amount || ' '
        || coalesce(cast(g.priority as text), '-')
        || ' ' || coalesce(cast({_US.format("g.expires_at")} as text), '-')
        || ' ' || coalesce(cast({_US.format("g.effective_at")} as text), '-')
        || ' ' || {_US.format("g.created_at")}, 'UTF8')) as digest
    from grants g
    where exists (select from entries e where e.account_id = g.account_id and e.grant_id = g.id and e.kind = 'credit')
"""  # noqa: S608 - as above
_HOLDS = f"""
    select h.id, sha256(convert_to(h.id || ' ' || h.account_id || ' ' || h.amount
        || ' ' || {_US.format("h.expires_at")} || ' ' || {_US.format("h.created_at")}, 'UTF8')) as digest
    from holds h join jobs j on j.id = h.id
"""  # noqa: S608 - as above


def _sums(rows: str) -> str:
    """SQL of JSON: 256 × [how many, SHA-256 in hex], by the last byte of the id."""
    return f"""(
        select json_agg(json_build_array(coalesce(s.count, 0), coalesce(s.sum, '')) order by b)
        from generate_series(0, 255) as b
        left join (select get_byte(uuid_send(id), 15) as bucket, count(*) as count,
                          encode(sha256(string_agg(digest, '' order by id)), 'hex') as sum
                   from ({rows}) as found group by 1) as s on s.bucket = b
    )"""  # noqa: S608 - queries of ours


# The forms are those of models/domain/evidence and models/store/write/digests.py, written out: a migration stays as it
# is.
# The journal's row is written once, at the end: one that a transaction has written a million times is looked for among
# a million dead versions of itself.
_RECORD = f"""
create function pg_temp.write_down(its_seq bigint, head bytea, said_kind text, of_account bigint, its_number bigint,
                                   its_after bigint, said text)
returns bytea language plpgsql as $$
declare
    digest bytea := sha256(head || convert_to('1 1 ' || its_seq || ' ' || said_kind || ' - - '
        || coalesce(of_account, 0) || ' ' || coalesce(its_number, 0) || ' ' || coalesce(its_after, 0) || ' ' || said,
        'UTF8'));
begin
    insert into records (journal, seq, kind, account_id, number, after, content, prev_hash, hash)
        values (1, its_seq, said_kind, of_account, its_number, its_after, cast(said as json), head, digest);
    return digest;
end $$;
do $$
declare
    found record;
    place bigint := 0;
    last bytea := '';
begin
    for found in
        select 'before' as kind, null as id, null as number, null as after, cast(json_build_object(
                'jobs', {_sums(_JOBS)}, 'grants', {_sums(_GRANTS)}, 'holds', {_sums(_HOLDS)}) as text) as said
            where exists (select from jobs)
        union all
        select 'pruned', null, null, null, cast(json_build_object(
                'jobs', count(*), 'until', {_time("max(settled_at)")}) as text)
            from jobs where body is null having count(*) > 0
    loop
        place := place + 1;
        last := pg_temp.write_down(place, last, found.kind, null, null, null, found.said);
    end loop;
    for found in
        select a.id, a.seq as after, case a.kind
            when 'user' then cast(json_build_object({_ACCOUNT}, {_USER}) as text)
            when 'wallet' then cast(json_build_object({_ACCOUNT}, {_WALLET}) as text)
            else cast(json_build_object({_ACCOUNT}, {_APP}) as text) end as said
        from accounts a left join users u on u.account_id = a.id left join wallets w on w.account_id = a.id
            left join apps p on p.account_id = a.id
        order by a.id
    loop
        place := place + 1;
        last := pg_temp.write_down(place, last, 'opening', found.id, 1, found.after, found.said);
    end loop;
    update journals set seq = place, head = last where id = 1 and place > 0;
end $$
"""  # noqa: S608 - queries of ours
