"""What was said of the ledger to a place outside."""

from __future__ import annotations

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class Anchor(Base):
    """An anchor as it was written, so that it is known here how many there are: a place that has fewer lost some."""

    __tablename__ = "anchors"
    __table_args__ = (CheckConstraint("sequence >= 1", "sequence_from_one"),)

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line: Mapped[str]
