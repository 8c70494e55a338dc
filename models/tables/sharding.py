"""What shards know of each other: empty in a ledger that is whole.

A row is in the shard that its own key leads to, and not in that of the account it is about: whoever has the key finds
it with one question. models/domain/sharding, docs/decisions/0029.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.sharding.buckets import BUCKETS
from models.tables.base import Base

_BUCKET = f"bucket between 0 and {BUCKETS - 1}"


class Key(Base):
    """An idempotency key, and the bucket that it was first used in. Written once, before its job, and kept for ever."""

    __tablename__ = "keys"
    __table_args__ = (CheckConstraint(_BUCKET, "bucket"),)

    producer: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(SmallInteger)


class TelegramId(Base):
    """A telegram id, and the bucket of the user it was last claimed for: no user of another shard has it."""

    __tablename__ = "telegram_ids"
    __table_args__ = (CheckConstraint(_BUCKET, "bucket"), CheckConstraint("term >= 1", "term"))

    telegram_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bucket: Mapped[int] = mapped_column(SmallInteger)
    term: Mapped[int]  # which claim of it this is: each is a later one


class TelegramTerm(Base):
    """A telegram id in the shard of a user who has had it, or was to: no claim of an earlier term counts here."""

    __tablename__ = "telegram_terms"

    telegram_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    term: Mapped[int]
