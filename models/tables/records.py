"""Journals: chains of records, of what decides and is no entry."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from models.domain.evidence.chains import RecordKind
from models.tables.base import Base, one_of


class Journal(Base):
    """A chain of records. There are a few, so that transactions need not wait for each other."""

    __tablename__ = "journals"
    __table_args__ = (CheckConstraint("seq >= 0 and (seq = 0) = (head = ''::bytea)", "head_of_chain"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int]
    head: Mapped[bytes] = mapped_column(LargeBinary)


class Record(Base):
    __tablename__ = "records"
    __table_args__ = (
        CheckConstraint("seq >= 1", "seq_from_one"),
        CheckConstraint(one_of("kind", *RecordKind), "kind"),
        CheckConstraint("(kind = 'job') = (job_id is not null)", "job_of_a_job"),
        CheckConstraint("number is null or (account_id is not null and number >= 1)", "change_of_an_account"),
        CheckConstraint("(account_id is null) = (after is null)", "place_in_an_account"),
        CheckConstraint(
            "octet_length(hash) = 32 and octet_length(prev_hash) = case seq when 1 then 0 else 32 end", "hash"
        ),
        Index(
            "uq_records_account_id_number",
            "account_id",
            "number",
            unique=True,
            postgresql_where=text("number is not null"),
        ),
    )

    journal: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    job_id: Mapped[UUID | None]
    account_id: Mapped[int | None]
    number: Mapped[int | None]  # of the account's changes
    after: Mapped[int | None]  # the account's last entry then
    content: Mapped[Any] = mapped_column(JSON)
    prev_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
