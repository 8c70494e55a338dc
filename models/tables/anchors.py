"""What was said of the ledger to a place outside."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class Anchor(Base):
    """An anchor that was written, so that it is known here how many there are: a place that has fewer lost some."""

    __tablename__ = "anchors"
    __table_args__ = (
        CheckConstraint("sequence >= 1", "sequence_from_one"),
        CheckConstraint("octet_length(hash) = 32", "hash_length"),
    )

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)  # of its whole line
    until: Mapped[int]  # the end of its window of jobs, in ms since 1970
