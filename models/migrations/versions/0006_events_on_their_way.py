"""Events on their way: the outbox in lanes, webhooks, levels to be told of, and grants that were told to expire."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_KNOWN = {
    "user.balance.updated": 1, "wallet.updated": 2, "wallet.transaction.created": 4,
    "wallet.credit_balance.dropped": 8, "wallet.credit_balance.recovered": 16, "app.balance.updated": 32,
    "job.rejected": 64, "auto_topup.fired": 128, "auto_topup.declined": 256, "auto_topup.suspended": 512,
    "auto_topup.resumed": 1024, "charge.needs_action": 2048,
}  # fmt: skip
_TYPES = ", ".join(f"'{name}'" for name in _KNOWN)
_NEW_TYPES = (
    "'balance.low', 'grant.will_expire', 'grant.expired', 'hold.expired', 'webhook.disabled', 'dead_letter.parked'"
)
_OF_ONE = "(job_id is null) <> (letter_id is null)"
_LANE = "lane between 0 and 15"
_PRUNE = """
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
    returning id, settled_at){untold}
    select count(*), max(settled_at) into pruned, until from old;
end $$
"""
# Who was here before and went back has thresholds on record.
_LOW_AT = """
    update accounts a set low_at = array(
        select cast(t.units as bigint) from json_array_elements_text(r.content #> '{low_at,1}') with ordinality
        as t (units, place) order by t.place)
    from (select distinct on (account_id) account_id, content from records
          where number > 0 and content -> 'low_at' is not null order by account_id, number desc) as r
    where r.account_id = a.id and json_typeof(r.content #> '{low_at,1}') = 'array'
"""
_UNTOLD = """,
    untold as (delete from outbox where job_id in (select id from old))"""


def upgrade() -> None:
    _prune(untold="")
    # What stood in the outbox was promised to nobody: there was no way for it to leave.
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("lane", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        *_event(),
        sa.CheckConstraint(f"type in ({_TYPES}, {_NEW_TYPES})", name=op.f("ck_outbox_type")),
        sa.CheckConstraint(_OF_ONE, name=op.f("ck_outbox_of_a_job_or_a_letter")),
        sa.CheckConstraint(_LANE, name=op.f("ck_outbox_lane")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_outbox_job_id_jobs")),
        sa.ForeignKeyConstraint(["letter_id"], ["dead_letters.id"], name=op.f("fk_outbox_letter_id_dead_letters")),
        sa.PrimaryKeyConstraint("lane", "id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("job_id", "type", name=op.f("uq_outbox_job_id_type")),
    )
    op.create_table(
        "outbox_lanes",
        sa.Column("lane", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(_LANE, name=op.f("ck_outbox_lanes_lane")),
        sa.PrimaryKeyConstraint("lane", name=op.f("pk_outbox_lanes")),
    )
    op.execute("insert into outbox_lanes (lane, turn) select lane, 0 from generate_series(0, 15) as lane")
    op.create_table(
        "stream_backlog",
        sa.Column("lane", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        *_event(),
        sa.CheckConstraint(_OF_ONE, name=op.f("ck_stream_backlog_of_a_job_or_a_letter")),
        sa.CheckConstraint(_LANE, name=op.f("ck_stream_backlog_lane")),
        sa.PrimaryKeyConstraint("lane", "id", name=op.f("pk_stream_backlog")),
    )
    _webhooks()
    _kept()
    op.add_column("accounts", sa.Column("low_at", postgresql.ARRAY(sa.BigInteger()), nullable=True))
    op.execute(_LOW_AT)
    # The default is constant, so no row is written. Nobody was told anything before: there was no way for it to leave.
    for table, column in (("grants", "warned"), ("policies", "dropped")):
        op.add_column(table, sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.text("false")))
        op.alter_column(table, column, server_default=None)
    op.create_index(
        "ix_grants_unwarned",
        "grants",
        ["expires_at"],
        postgresql_where=sa.text("remaining > 0 and expires_at is not null and not warned"),
    )


def _event() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("letter_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("data", postgresql.JSON(), nullable=True),
    )


def _webhooks() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("disabled", sa.Text(), nullable=True),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("secret_version", sa.BigInteger(), nullable=False),
        sa.Column("secret_key", sa.LargeBinary(), nullable=False),
        sa.Column("former_version", sa.BigInteger(), nullable=True),
        sa.Column("former_key", sa.LargeBinary(), nullable=True),
        sa.Column("former_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("open_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("disabled in ('asked', 'gone', 'failing')", name=op.f("ck_webhook_endpoints_disabled")),
        sa.CheckConstraint("secret_version >= 1", name=op.f("ck_webhook_endpoints_secret_version")),
        sa.CheckConstraint(
            "octet_length(secret_key) = 8 and octet_length(former_key) = 8", name=op.f("ck_webhook_endpoints_keys")
        ),
        sa.CheckConstraint(
            "(former_version is null) = (former_until is null)", name=op.f("ck_webhook_endpoints_former_secret")
        ),
        sa.CheckConstraint(
            "(former_version is null) = (former_key is null)", name=op.f("ck_webhook_endpoints_former_key")
        ),
        sa.CheckConstraint(
            "failures >= 0 and (failures > 0) = (failing_since is not null)",
            name=op.f("ck_webhook_endpoints_failures"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_table(
        "webhook_queues",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("queue", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claim", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_queues_endpoint_id_webhook_endpoints")
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "queue", name=op.f("pk_webhook_queues")),
    )
    op.create_index("ix_webhook_queues_due", "webhook_queues", ["endpoint_id", "due_at"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("queue", sa.BigInteger(), nullable=False),
        *_event(),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status in ('waiting', 'delivered', 'exhausted', 'dropped')", name=op.f("ck_webhook_deliveries_status")
        ),
        sa.CheckConstraint("(status = 'waiting') = (ended_at is null)", name=op.f("ck_webhook_deliveries_ended")),
        sa.CheckConstraint(_OF_ONE, name=op.f("ck_webhook_deliveries_of_a_job_or_a_letter")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_webhook_deliveries_attempts")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_deliveries_endpoint_id_webhook_endpoints")
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(
        "ix_webhook_deliveries_waiting",
        "webhook_deliveries",
        ["endpoint_id", "queue", "id"],
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_index(
        "ix_webhook_deliveries_ended",
        "webhook_deliveries",
        ["ended_at"],
        postgresql_where=sa.text("status <> 'waiting'"),
    )


def _kept() -> None:
    """Endpoints of before it was gone back from this version: as their jobs were answered, without a former secret."""
    op.execute(
        "insert into webhook_endpoints (id, name, url, types, kinds, disabled, removed, secret_version, secret_key,"
        " created_at, updated_at, failures)"
        " select distinct on (body ->> 'id') cast(body ->> 'id' as uuid), body ->> 'name', body ->> 'url',"
        " (select array_agg(t) from jsonb_array_elements_text(nullif(body -> 'types', 'null')) as t),"
        " (select array_agg(k) from jsonb_array_elements_text(nullif(body -> 'kinds', 'null')) as k),"
        " body ->> 'disabled_for', body ->> 'status' = 'removed', cast(body ->> 'secret_version' as bigint),"
        " decode(body ->> 'key_name', 'hex'), cast(body ->> 'created_at' as timestamptz),"
        " cast(body ->> 'updated_at' as timestamptz), 0"
        " from (select cast(outcome as jsonb) -> 'response' as body, settled_at, id from jobs"
        " where name like 'webhooks.%' and status = 'applied') as told"
        " order by body ->> 'id', settled_at desc, id desc"
    )


def _prune(untold: str) -> None:
    [schema] = op.get_bind().execute(sa.text("select quote_ident(current_schema())")).scalars()
    op.execute(sa.text(_PRUNE.format(schema=schema, untold=untold).replace(":", r"\:")))


def downgrade() -> None:
    """The older version has every event of a job that it keeps whole in its outbox, and knows no endpoints."""
    op.drop_table("webhook_deliveries")
    op.drop_table("webhook_queues")
    op.drop_table("webhook_endpoints")
    op.drop_table("stream_backlog")
    op.drop_table("outbox_lanes")
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(f"type in ({_TYPES})", name=op.f("ck_outbox_type")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_outbox_job_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("job_id", "type", name=op.f("uq_outbox_job_id_type")),
    )
    told = ", ".join(f"('{name}', {bit})" for name, bit in _KNOWN.items())
    op.execute(
        f"insert into outbox (type, job_id) select told.type, j.id from jobs j"  # noqa: S608 - our own names
        f" join (values {told}) as told (type, bit) on j.events & told.bit > 0"
        " where j.body is not null and j.events >= 0 order by j.settled_at, j.id, told.bit"
    )
    _prune(untold=_UNTOLD)
    op.drop_index("ix_grants_unwarned", "grants")
    op.drop_column("policies", "dropped")
    op.drop_column("grants", "warned")
    op.drop_column("accounts", "low_at")
