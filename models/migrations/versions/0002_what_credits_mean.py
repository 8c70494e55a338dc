"""What credits mean: holds, grants that begin, are voided and reversed in parts, terms of wallets, top-ups by level."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KINDS = "'deposit', 'withdrawal', 'credit', 'debit', 'set', 'reversal', 'expiry', 'termination'"
_NEW_KINDS = "'void', 'hold', 'capture', 'release', 'opening', 'correction'"
_MOVES_NOTHING = "'correction', 'hold', 'opening', 'release', 'termination', 'void'"


def upgrade() -> None:
    _accounts()
    _wallets()
    _grants()
    _entries()
    op.create_table(
        "holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("captured", sa.BigInteger(), nullable=False),
        sa.Column("backing", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "amount > 0 and remaining >= 0 and captured >= 0 and captured + remaining <= amount",
            name=op.f("ck_holds_parts"),
        ),
        sa.CheckConstraint("(remaining = 0) = (ended is not null)", name=op.f("ck_holds_ended_when_empty")),
        sa.CheckConstraint("ended in ('captured', 'released', 'expired', 'reversed')", name=op.f("ck_holds_ended")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_holds_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_index("ix_holds_open", "holds", ["account_id"], postgresql_where=sa.text("remaining > 0"))
    op.create_index("ix_holds_expiring", "holds", ["expires_at"], postgresql_where=sa.text("remaining > 0"))


def _accounts() -> None:
    _add("accounts", "granted", sa.BigInteger(), "0")
    _add("accounts", "held", sa.BigInteger(), "0")
    op.execute(
        "update accounts set granted = g.units from (select account_id, sum(remaining) as units from grants"
        " where remaining > 0 group by account_id) as g where g.account_id = accounts.id"
    )
    op.create_check_constraint(
        op.f("ck_accounts_credits"),
        "accounts",
        "granted >= 0 and held >= 0 and (kind = 'wallet' or granted + held = 0)",
    )
    # A set that said it came from the far future has superseded every later one. It was applied when it was.
    op.execute("update accounts set set_at = updated_at where set_at > updated_at + interval '30 seconds'")


def _wallets() -> None:
    _add("wallets", "overdraft_allowed", sa.Boolean(), "false")
    op.add_column("wallets", sa.Column("timezone", sa.Text(), nullable=True))
    op.add_column("wallets", sa.Column("suspended", sa.Text(), nullable=True))
    op.add_column("wallets", sa.Column("wanted", sa.BigInteger(), nullable=True))
    op.add_column("wallets", sa.Column("topped_up_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(op.f("ck_wallets_due_only_with_policy_in_force"), "wallets")
    op.create_check_constraint(
        op.f("ck_wallets_due_only_with_policy_in_force"),
        "wallets",
        "(due_at is null and wanted is null) or (trigger <> 'disabled' and status = 'active' and suspended is null)",
    )
    # The rule is about the level now: who has been below the minimum without having fallen there is due.
    op.execute(
        "update wallets set due_at = clock_timestamp(), crossing = crossing + 1 from accounts a"
        " where a.id = account_id and trigger <> 'disabled' and status = 'active' and due_at is null"
        " and a.balance < min_balance"
    )


def _grants() -> None:
    op.add_column("grants", sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True))
    _add("grants", "pending", sa.Boolean(), "false")
    for name in ("held", "reversed", "expired", "voided"):
        _add("grants", name, sa.BigInteger(), "0")
    op.add_column("grants", sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "update grants set expired = e.units from (select grant_id, -sum(amount) as units from entries"
        " where kind = 'expiry' group by grant_id) as e where e.grant_id = grants.id"
    )
    # Reversals have taken more than there was where `balance-worker verify` says so; a row has room for what was.
    op.execute(
        "update grants set reversed = least(r.units, grants.amount - remaining - expired)"
        " from (select made.grant_id, -sum(back.amount) as units from entries made join entries back"
        "  on back.account_id = made.account_id and back.reverses = made.seq"
        "  where made.kind = 'credit' and made.grant_id is not null group by made.grant_id) as r"
        " where r.grant_id = grants.id"
    )
    op.drop_constraint(op.f("ck_grants_remaining_of_amount"), "grants")
    op.create_check_constraint(
        op.f("ck_grants_remaining_of_amount"),
        "grants",
        "amount > 0 and remaining >= 0 and held >= 0 and remaining + held <= amount",
    )
    op.create_check_constraint(
        op.f("ck_grants_taken_once"),
        "grants",
        "reversed >= 0 and expired >= 0 and voided >= 0 and remaining + reversed + expired + voided <= amount",
    )
    op.drop_constraint(op.f("ck_grants_expires_or_has_priority"), "grants")
    op.create_check_constraint(
        op.f("ck_grants_has_terms_of_its_own"),
        "grants",
        "expires_at is not null or priority is not null or effective_at is not null",
    )
    op.create_check_constraint(
        op.f("ck_grants_pending_until_it_begins"), "grants", "not pending or effective_at is not null"
    )
    op.drop_index("ix_grants_open", "grants")
    op.create_index("ix_grants_open", "grants", ["account_id"], postgresql_where=sa.text("remaining > 0 or held > 0"))
    op.drop_index("ix_grants_expiring", "grants")
    ends = "coalesce(voided_at, expires_at)"
    op.create_index(
        "ix_grants_ending", "grants", [sa.text(ends)], postgresql_where=sa.text(f"remaining > 0 and {ends} is not null")
    )
    op.create_index("ix_grants_pending", "grants", ["effective_at"], postgresql_where=sa.text("pending"))


def _entries() -> None:
    op.add_column(
        "entries", sa.Column("paid", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True)
    )
    op.add_column(
        "entries", sa.Column("holds", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True)
    )
    _add("entries", "part", sa.SmallInteger(), "0")
    op.create_check_constraint(op.f("ck_entries_part"), "entries", "part in (0, 1)")
    op.drop_constraint(op.f("uq_entries_job_id"), "entries")
    op.create_unique_constraint(op.f("uq_entries_job_id_part"), "entries", ["job_id", "part"])
    op.drop_index("uq_entries_reverses", "entries")
    op.create_index(
        "ix_entries_reverses", "entries", ["account_id", "reverses"], postgresql_where=sa.text("reverses is not null")
    )
    op.drop_constraint(op.f("ck_entries_kind"), "entries")
    op.create_check_constraint(op.f("ck_entries_kind"), "entries", f"kind in ({_KINDS}, {_NEW_KINDS})")
    op.drop_constraint(op.f("ck_entries_amount_moves"), "entries")
    op.create_check_constraint(op.f("ck_entries_amount_moves"), "entries", f"amount <> 0 or kind in ({_MOVES_NOTHING})")


def _add(table: str, name: str, kind: sa.types.TypeEngine[Any], value: str) -> None:
    """A column that every row has from now on; the code alone says what stands in new ones."""
    op.add_column(table, sa.Column(name, kind, nullable=False, server_default=sa.text(value)))
    op.alter_column(table, name, server_default=None)


def downgrade() -> None:
    """Entries that the older version does not know stay; a job that wrote two cannot."""
    op.drop_table("holds")
    op.drop_constraint(op.f("ck_entries_part"), "entries")
    op.drop_constraint(op.f("uq_entries_job_id_part"), "entries")
    op.create_unique_constraint(op.f("uq_entries_job_id"), "entries", ["job_id"])
    op.drop_index("ix_entries_reverses", "entries")
    op.create_index(
        "uq_entries_reverses",
        "entries",
        ["account_id", "reverses"],
        unique=True,
        postgresql_where=sa.text("reverses is not null"),
    )
    for name, check in {"kind": f"kind in ({_KINDS})", "amount_moves": "amount <> 0"}.items():
        op.drop_constraint(op.f(f"ck_entries_{name}"), "entries")
        op.create_check_constraint(op.f(f"ck_entries_{name}"), "entries", check, postgresql_not_valid=True)
    for name in ("paid", "holds", "part"):
        op.drop_column("entries", name)
    op.drop_index("ix_grants_pending", "grants")
    op.drop_index("ix_grants_ending", "grants")
    op.create_index(
        "ix_grants_expiring",
        "grants",
        ["expires_at"],
        postgresql_where=sa.text("remaining > 0 and expires_at is not null"),
    )
    op.drop_index("ix_grants_open", "grants")
    for name in ("taken_once", "has_terms_of_its_own", "pending_until_it_begins", "remaining_of_amount"):
        op.drop_constraint(op.f(f"ck_grants_{name}"), "grants")
    for name in ("effective_at", "pending", "held", "reversed", "expired", "voided", "voided_at"):
        op.drop_column("grants", name)
    op.create_index("ix_grants_open", "grants", ["account_id"], postgresql_where=sa.text("remaining > 0"))
    op.create_check_constraint(
        op.f("ck_grants_remaining_of_amount"), "grants", "amount > 0 and remaining between 0 and amount"
    )
    op.create_check_constraint(
        op.f("ck_grants_expires_or_has_priority"),
        "grants",
        "expires_at is not null or priority is not null",
        postgresql_not_valid=True,
    )
    op.drop_constraint(op.f("ck_wallets_due_only_with_policy_in_force"), "wallets")
    for name in ("overdraft_allowed", "timezone", "suspended", "wanted", "topped_up_at"):
        op.drop_column("wallets", name)
    op.create_check_constraint(
        op.f("ck_wallets_due_only_with_policy_in_force"),
        "wallets",
        "due_at is null or (trigger <> 'disabled' and status = 'active')",
    )
    op.drop_constraint(op.f("ck_accounts_credits"), "accounts")
    op.drop_column("accounts", "granted")
    op.drop_column("accounts", "held")
