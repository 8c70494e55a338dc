"""The ledger: accounts with their faces, jobs with their answers, entries, grants, outbox, dead letters."""
# ruff: noqa: E501 - constraints are written out as the database holds them

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("scale", sa.SmallInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=True),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(seq = 0) = (head = ''::bytea)", name=op.f("ck_accounts_head_of_chain")),
        sa.CheckConstraint("kind in ('user', 'wallet', 'app')", name=op.f("ck_accounts_kind")),
        sa.CheckConstraint("scale between 0 and 18", name=op.f("ck_accounts_scale")),
        sa.CheckConstraint(
            "seq >= 0 and (seq > 0 or balance = 0)", name=op.f("ck_accounts_no_balance_without_entries")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("kind", "ref", name=op.f("uq_accounts_kind_ref")),
    )
    # A balance changes all the time and what the indexes hold never does: with room on its page, the row's next version
    # stays there and no index hears of it.
    op.execute("alter table accounts set (fillfactor = 80)")
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("task_id", sa.Text(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("producer", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("headers", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("properties", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discard_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("status in ('parked', 'replayed', 'discarded')", name=op.f("ck_dead_letters_status")),
        sa.CheckConstraint(
            "(status = 'parked') = (closed_at is null)", name=op.f("ck_dead_letters_closed_when_no_longer_parked")
        ),
        sa.CheckConstraint(
            "(status = 'discarded') = (discard_reason is not null)", name=op.f("ck_dead_letters_discarded_for_a_reason")
        ),
        sa.CheckConstraint("discard_reason <> ''", name=op.f("ck_dead_letters_discard_reason_says_something")),
        sa.CheckConstraint(
            "(producer is null) = (idempotency_key is null)", name=op.f("ck_dead_letters_whole_identity")
        ),
        sa.CheckConstraint("attempts >= 1", name=op.f("ck_dead_letters_attempts")),
        sa.CheckConstraint("first_seen <= last_seen", name=op.f("ck_dead_letters_seen_in_order")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_dead_letters_digest_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
    )
    op.create_index(
        "uq_dead_letters_digest",
        "dead_letters",
        ["digest"],
        unique=True,
        postgresql_where=sa.text("status <> 'discarded'"),
    )
    op.create_index("ix_dead_letters_last_seen", "dead_letters", ["last_seen", "id"], unique=False)
    op.create_index("ix_dead_letters_status", "dead_letters", ["status", "last_seen", "id"], unique=False)
    op.create_index("ix_dead_letters_reason", "dead_letters", ["reason", "last_seen", "id"], unique=False)
    op.create_index("ix_dead_letters_task", "dead_letters", ["task", "last_seen", "id"], unique=False)
    op.create_table(
        "apps",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("decrease_only", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_apps_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_apps")),
        sa.UniqueConstraint("app_id", "store_id", name=op.f("uq_apps_app_id_store_id")),
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount > 0 and remaining between 0 and amount", name=op.f("ck_grants_remaining_of_amount")),
        sa.CheckConstraint(
            "expires_at is not null or priority is not null", name=op.f("ck_grants_expires_or_has_priority")
        ),
        sa.CheckConstraint("priority >= 0", name=op.f("ck_grants_priority")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_grants_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    op.create_index(
        "ix_grants_expiring",
        "grants",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("remaining > 0 and expires_at is not null"),
    )
    op.create_index("ix_grants_open", "grants", ["account_id"], unique=False, postgresql_where=sa.text("remaining > 0"))
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("outcome", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status = 'applied') = (code in ('applied', 'unchanged'))", name=op.f("ck_jobs_status_follows_code")
        ),
        sa.CheckConstraint("status in ('applied', 'rejected')", name=op.f("ck_jobs_status")),
        sa.CheckConstraint("octet_length(fingerprint) = 32", name=op.f("ck_jobs_fingerprint_length")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_jobs_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("producer", "idempotency_key", name=op.f("uq_jobs_producer_idempotency_key")),
    )
    op.create_index(
        "ix_jobs_without_entry",
        "jobs",
        ["account_id", "settled_at"],
        unique=False,
        postgresql_where=sa.text("account_id is not null"),
    )
    op.create_index(
        "ix_jobs_unpruned", "jobs", ["settled_at"], unique=False, postgresql_where=sa.text("body is not null")
    )
    op.create_table(
        "users",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("telegram_id", sa.BigInteger(), nullable=True),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("referral_code", sa.Text(), nullable=True),
        sa.Column("referred_by_id", sa.BigInteger(), nullable=True),
        sa.Column("has_had_paid_subscription", sa.Boolean(), nullable=False),
        sa.Column("has_made_first_topup", sa.Boolean(), nullable=False),
        sa.Column("last_activity", sa.DateTime(timezone=True), nullable=True),
        sa.Column("promo_group", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("subscription", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("status in ('active', 'blocked', 'deleted')", name=op.f("ck_users_status")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_users_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_users")),
        sa.UniqueConstraint("telegram_id", deferrable=True, initially="IMMEDIATE", name=op.f("uq_users_telegram_id")),
        sa.UniqueConstraint("user_id", name=op.f("uq_users_user_id")),
    )
    op.create_table(
        "wallets",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("wallet_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("conversion_rate", sa.Numeric(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("min_balance", sa.BigInteger(), nullable=True),
        sa.Column("top_up_amount", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("crossing", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "due_at is null or (trigger <> 'disabled' and status = 'active')",
            name=op.f("ck_wallets_due_only_with_policy_in_force"),
        ),
        sa.CheckConstraint("status in ('active', 'frozen', 'closed')", name=op.f("ck_wallets_status")),
        sa.CheckConstraint(
            "trigger = 'disabled' or (min_balance > 0 and top_up_amount > 0 and min_balance is not null and top_up_amount is not null)",
            name=op.f("ck_wallets_policy_complete"),
        ),
        sa.CheckConstraint("trigger in ('disabled', 'balance_below_threshold')", name=op.f("ck_wallets_trigger")),
        sa.CheckConstraint("wallet_type in ('PROMOTIONAL', 'PRE_PAID')", name=op.f("ck_wallets_wallet_type")),
        sa.CheckConstraint("conversion_rate > 0", name=op.f("ck_wallets_conversion_rate_positive")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_wallets_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_wallets")),
    )
    op.create_index(
        "ix_wallets_due", "wallets", ["due_at"], unique=False, postgresql_where=sa.text("due_at is not null")
    )
    op.create_table(
        "entries",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.Column("draws", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("reverses", sa.BigInteger(), nullable=True),
        sa.Column("metadata", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(reverses is not null) = (kind = 'reversal')", name=op.f("ck_entries_reversal_names_its_entry")
        ),
        sa.CheckConstraint(
            "kind in ('deposit', 'withdrawal', 'credit', 'debit', 'set', 'reversal', 'expiry', 'termination')",
            name=op.f("ck_entries_kind"),
        ),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_entries_amount_moves")),
        sa.CheckConstraint(
            "octet_length(hash) = 32 and octet_length(prev_hash) = case seq when 1 then 0 else 32 end",
            name=op.f("ck_entries_hash"),
        ),
        sa.CheckConstraint("reverses < seq", name=op.f("ck_entries_reverses_an_earlier_one")),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_entries_seq_from_one")),
        sa.ForeignKeyConstraint(
            ["account_id", "reverses"],
            ["entries.account_id", "entries.seq"],
            name=op.f("fk_entries_account_id_reverses_entries"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_entries_account_id_accounts")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_entries_job_id_jobs")),
        sa.PrimaryKeyConstraint("account_id", "seq", name=op.f("pk_entries")),
        sa.UniqueConstraint("job_id", name=op.f("uq_entries_job_id")),
    )
    op.create_index(
        "uq_entries_reverses",
        "entries",
        ["account_id", "reverses"],
        unique=True,
        postgresql_where=sa.text("reverses is not null"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "type in ('user.balance.updated', 'wallet.updated', 'wallet.transaction.created', 'wallet.credit_balance.dropped', 'wallet.credit_balance.recovered', 'app.balance.updated', 'job.rejected')",
            name=op.f("ck_outbox_type"),
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_outbox_job_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("job_id", "type", name=op.f("uq_outbox_job_id_type")),
    )


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_index("uq_entries_reverses", table_name="entries", postgresql_where=sa.text("reverses is not null"))
    op.drop_table("entries")
    op.drop_index("ix_wallets_due", table_name="wallets", postgresql_where=sa.text("due_at is not null"))
    op.drop_table("wallets")
    op.drop_table("users")
    op.drop_index("ix_jobs_unpruned", table_name="jobs", postgresql_where=sa.text("body is not null"))
    op.drop_index("ix_jobs_without_entry", table_name="jobs", postgresql_where=sa.text("account_id is not null"))
    op.drop_table("jobs")
    op.drop_index("ix_grants_open", table_name="grants", postgresql_where=sa.text("remaining > 0"))
    op.drop_index(
        "ix_grants_expiring", table_name="grants", postgresql_where=sa.text("remaining > 0 and expires_at is not null")
    )
    op.drop_table("grants")
    op.drop_table("apps")
    op.drop_table("dead_letters")
    op.drop_table("accounts")
