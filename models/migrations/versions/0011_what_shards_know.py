"""What shards know of each other: which keys are used, who may have a telegram id. Empty in a ledger that is whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_BUCKET = "bucket between 0 and 1023"


def upgrade() -> None:
    op.create_table(
        "keys",
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint(_BUCKET, name=op.f("ck_keys_bucket")),
        sa.PrimaryKeyConstraint("producer", "key", name=op.f("pk_keys")),
    )
    op.create_table(
        "telegram_ids",
        sa.Column("telegram_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(_BUCKET, name=op.f("ck_telegram_ids_bucket")),
        sa.CheckConstraint("term >= 1", name=op.f("ck_telegram_ids_term")),
        sa.PrimaryKeyConstraint("telegram_id", name=op.f("pk_telegram_ids")),
    )
    op.create_table(
        "telegram_terms",
        sa.Column("telegram_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("telegram_id", name=op.f("pk_telegram_terms")),
    )


def downgrade() -> None:
    op.drop_table("telegram_terms")
    op.drop_table("telegram_ids")
    op.drop_table("keys")
