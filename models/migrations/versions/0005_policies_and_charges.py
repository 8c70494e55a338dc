"""Auto top-up charges: policies in a table of their own, charges, the switches of operators, and more events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_EVENTS = (
    "'user.balance.updated', 'wallet.updated', 'wallet.transaction.created', 'wallet.credit_balance.dropped',"
    " 'wallet.credit_balance.recovered', 'app.balance.updated', 'job.rejected'"
)
_NEW_EVENTS = (
    "'auto_topup.fired', 'auto_topup.declined', 'auto_topup.suspended', 'auto_topup.resumed', 'charge.needs_action'"
)
_PROVIDERS = "'none', 'http', 'stripe'"
_OPEN = "status in ('pending', 'needs_action')"
_REASONS = (
    "'fired', 'disabled', 'inactive', 'suspended', 'charging_paused', 'charge_pending', 'no_payment_method',"
    " 'above_threshold', 'not_yet', 'cooldown', 'declined', 'does_not_fit', 'amount_too_small', 'cap_reached'"
)
# What the older version would do as it was agreed. Where a provider is asked for the money, or a bound is kept that it
# does not know, it would give credits for nothing, or go beyond it.
_KNOWN = (
    "p.trigger in ('disabled', 'balance_below_threshold') and p.target is null and p.open_charge is null"
    " and p.provider = 'none' and p.monthly_cap is null and p.cooldown_s is null"
)
_OF_WALLETS = ("trigger", "due_at", "crossing", "suspended", "wanted", "topped_up_at")  # as they are called in both


def upgrade() -> None:
    _policies()
    _charges()
    _kept()
    _moved()
    op.create_table(
        "switches",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("name = 'charging'", name=op.f("ck_switches_name")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switches")),
    )
    op.drop_constraint(op.f("ck_outbox_type"), "outbox")
    op.create_check_constraint(op.f("ck_outbox_type"), "outbox", f"type in ({_EVENTS}, {_NEW_EVENTS})")


def _policies() -> None:
    op.create_table(
        "policies",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("target", sa.BigInteger(), nullable=True),
        sa.Column("interval", sa.Text(), nullable=True),
        sa.Column("anchor", sa.DateTime(timezone=True), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("charge_min", sa.BigInteger(), nullable=True),
        sa.Column("charge_max", sa.BigInteger(), nullable=True),
        sa.Column("monthly_cap", sa.BigInteger(), nullable=True),
        sa.Column("cooldown_s", sa.BigInteger(), nullable=True),
        sa.Column("max_declines", sa.BigInteger(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=True),
        sa.Column("payment_method", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("crossing", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.BigInteger(), nullable=True),
        sa.Column("topped_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspended", sa.Text(), nullable=True),
        sa.Column("declines", sa.BigInteger(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("open_charge", sa.Uuid(), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "trigger in ('disabled', 'balance_below_threshold', 'interval')", name=op.f("ck_policies_trigger")
        ),
        sa.CheckConstraint(
            "interval in ('daily', 'weekly', 'monthly', 'quarterly', 'yearly')", name=op.f("ck_policies_interval")
        ),
        sa.CheckConstraint(f"provider in ({_PROVIDERS})", name=op.f("ck_policies_provider")),
        sa.CheckConstraint(f"reason in ({_REASONS})", name=op.f("ck_policies_reason")),
        sa.CheckConstraint(
            "trigger = 'disabled' or ((amount is null) <> (target is null) and coalesce(amount, target) > 0)",
            name=op.f("ck_policies_fixed_amount_or_target"),
        ),
        sa.CheckConstraint(
            "trigger <> 'balance_below_threshold' or (threshold > 0 and threshold is not null)",
            name=op.f("ck_policies_threshold"),
        ),
        sa.CheckConstraint(
            "trigger <> 'interval' or (interval is not null and anchor is not null and next_at is not null)",
            name=op.f("ck_policies_times"),
        ),
        sa.CheckConstraint(
            "(due_at is null and wanted is null) or (trigger <> 'disabled' and suspended is null)",
            name=op.f("ck_policies_due_only_with_policy_in_force"),
        ),
        sa.CheckConstraint("open_charge is null or due_at is null", name=op.f("ck_policies_one_charge_at_a_time")),
        sa.CheckConstraint("declines >= 0 and crossing >= 0 and version >= 0", name=op.f("ck_policies_counts")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_policies_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_policies")),
    )
    # What was a wallet's is a policy's. Records of the chains call it by the names of then.
    same = ", ".join(_OF_WALLETS)
    op.execute(
        f"insert into policies (account_id, {same}, threshold, amount, provider, version, declines)"  # noqa: S608 - our own names
        f" select account_id, {same}, min_balance, top_up_amount, 'none', 0, 0 from wallets"
        " where trigger <> 'disabled' or min_balance is not null or top_up_amount is not null or crossing > 0"
        " or suspended is not null or topped_up_at is not null"
    )
    op.create_index("ix_policies_due", "policies", ["due_at"], postgresql_where=sa.text("due_at is not null"))


def _moved() -> None:
    # The default is constant, so no row is written for those without.
    op.add_column("accounts", sa.Column("has_policy", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.alter_column("accounts", "has_policy", server_default=None)
    op.execute("update accounts set has_policy = true from policies p where p.account_id = accounts.id")
    op.drop_index("ix_wallets_due", "wallets")
    for name in (*_OF_WALLETS, "min_balance", "top_up_amount"):
        op.drop_column("wallets", name)  # with its constraints


def _charges() -> None:
    op.create_table(
        "charges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("policy_version", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=True),
        sa.Column("payment_method", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("credited_by", sa.Uuid(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status in ('pending', 'needs_action', 'succeeded', 'declined', 'void', 'refunded')",
            name=op.f("ck_charges_status"),
        ),
        sa.CheckConstraint(
            "cause in ('balance_below_threshold', 'refused_job', 'interval', 'run_now')", name=op.f("ck_charges_cause")
        ),
        sa.CheckConstraint(f"provider in ({_PROVIDERS})", name=op.f("ck_charges_provider")),
        sa.CheckConstraint("units > 0 and amount > 0", name=op.f("ck_charges_amounts")),
        sa.CheckConstraint(f"({_OPEN}) = (settled_at is null)", name=op.f("ck_charges_settled")),
        sa.CheckConstraint(
            "(status in ('succeeded', 'refunded')) = (credited_by is not null)",
            name=op.f("ck_charges_credited_when_charged"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_charges_attempts")),
        sa.ForeignKeyConstraint(["id"], ["jobs.id"], name=op.f("fk_charges_id_jobs")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_charges_account_id_accounts")),
        sa.ForeignKeyConstraint(["credited_by"], ["jobs.id"], name=op.f("fk_charges_credited_by_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charges")),
        sa.UniqueConstraint("credited_by", name=op.f("uq_charges_credited_by")),
    )
    op.create_index(
        "uq_charges_account_id_open", "charges", ["account_id"], unique=True, postgresql_where=sa.text(_OPEN)
    )
    op.create_index("ix_charges_account_id_created_at", "charges", ["account_id", "created_at"])
    op.create_index("ix_charges_asking", "charges", ["ask_at"], postgresql_where=sa.text("ask_at is not null"))


def _kept() -> None:
    """Takes back what this version left when it was gone back from, where the records know it still."""
    op.execute("alter table accounts add column if not exists kept_top_up jsonb")
    op.execute(
        "update accounts a set kept_top_up = null where kept_top_up is not null and not exists"
        " (select from records r where r.account_id = a.id and encode(r.hash, 'hex') = kept_top_up ->> 'record')"
    )
    op.execute("delete from policies p using accounts a where a.id = p.account_id and a.kept_top_up is not null")
    op.execute(
        "insert into policies select (jsonb_populate_record(null::policies, kept_top_up -> 'policy')).* from accounts"
        " where kept_top_up is not null"
    )
    # What the older version knew it may have changed meanwhile. What it could not keep, it found switched off.
    same = ", ".join(f"{name} = w.{name}" for name in _OF_WALLETS)
    op.execute(
        f"update policies p set {same}, threshold = w.min_balance, amount = w.top_up_amount"  # noqa: S608 - as above
        f" from wallets w where w.account_id = p.account_id and {_KNOWN}"
    )
    op.execute(
        "insert into charges select (jsonb_populate_recordset(null::charges, kept_top_up -> 'charges')).* from accounts"
        " where kept_top_up is not null"
    )
    op.execute("alter table accounts drop column kept_top_up")


def downgrade() -> None:
    """An older version does not know intervals, targets, providers, caps and charges: such policies are switched off.

    All of it is kept beside the accounts, for the way up again.
    """
    # Events that it does not know stay where they are.
    op.drop_constraint(op.f("ck_outbox_type"), "outbox")
    op.execute(f"alter table outbox add constraint ck_outbox_type check (type in ({_EVENTS})) not valid")
    op.execute("alter table accounts add column kept_top_up jsonb")
    op.execute(
        "update accounts a set kept_top_up = jsonb_build_object('policy', to_jsonb(p), 'charges',"
        " (select coalesce(jsonb_agg(to_jsonb(c)), '[]') from charges c where c.account_id = a.id), 'record',"
        " (select encode(hash, 'hex') from records r where r.account_id = a.id and number = a.changes))"
        " from policies p where p.account_id = a.id"
    )
    op.drop_table("switches")
    op.drop_table("charges")
    for name, kind in (
        ("trigger", sa.Text()), ("min_balance", sa.BigInteger()), ("top_up_amount", sa.BigInteger()),
        ("due_at", sa.DateTime(timezone=True)), ("crossing", sa.BigInteger()), ("suspended", sa.Text()),
        ("wanted", sa.BigInteger()), ("topped_up_at", sa.DateTime(timezone=True)),
    ):  # fmt: skip
        op.add_column("wallets", sa.Column(name, kind, nullable=True))
    op.execute(
        f"update wallets w set trigger = case when {_KNOWN} then p.trigger else 'disabled' end,"  # noqa: S608 - as above
        f" due_at = case when {_KNOWN} then p.due_at end, wanted = case when {_KNOWN} then p.wanted end,"
        " min_balance = p.threshold, top_up_amount = p.amount, crossing = p.crossing, suspended = p.suspended,"
        " topped_up_at = p.topped_up_at from policies p where p.account_id = w.account_id"
    )
    op.execute("update wallets set trigger = 'disabled', crossing = 0 where trigger is null")
    for name in ("trigger", "crossing"):
        op.alter_column("wallets", name, nullable=False)
    op.create_check_constraint(
        op.f("ck_wallets_trigger"), "wallets", "trigger in ('disabled', 'balance_below_threshold')"
    )
    op.create_check_constraint(
        op.f("ck_wallets_policy_complete"),
        "wallets",
        "trigger = 'disabled' or (min_balance > 0 and top_up_amount > 0"
        " and min_balance is not null and top_up_amount is not null)",
    )
    op.create_check_constraint(
        op.f("ck_wallets_due_only_with_policy_in_force"),
        "wallets",
        "(due_at is null and wanted is null) or (trigger <> 'disabled' and status = 'active' and suspended is null)",
    )
    op.create_index("ix_wallets_due", "wallets", ["due_at"], postgresql_where=sa.text("due_at is not null"))
    op.drop_column("accounts", "has_policy")
    op.drop_table("policies")
