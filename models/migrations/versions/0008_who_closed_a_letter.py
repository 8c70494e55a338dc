"""Who replayed or discarded a dead letter is kept. Of those that are closed already nobody knows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("closed_by", sa.Text()))
    op.create_check_constraint(
        op.f("ck_dead_letters_closed_by_somebody"), "dead_letters", "closed_by is null or status <> 'parked'"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_dead_letters_closed_by_somebody"), "dead_letters")
    op.drop_column("dead_letters", "closed_by")
