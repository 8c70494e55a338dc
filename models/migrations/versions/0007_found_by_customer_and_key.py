"""Wallets are found by their customer, dead letters by their key. Only indexes: the version before works with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_wallets_customer",
        "wallets",
        ["customer_id", "account_id"],
        postgresql_where=sa.text("customer_id is not null"),
    )
    op.create_index(
        "ix_dead_letters_key",
        "dead_letters",
        ["idempotency_key", "producer"],
        postgresql_where=sa.text("idempotency_key is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_dead_letters_key", table_name="dead_letters")
    op.drop_index("ix_wallets_customer", table_name="wallets")
