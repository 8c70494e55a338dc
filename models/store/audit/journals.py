"""The audit of journals: each record chained to the one before, with its job as it is now, up to the journal's head."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from models.domain.evidence.chains import RecordKind, record_hash
from models.domain.evidence.finding import Finding
from models.store.write import journals as records
from models.store.write.journals import Chained


@dataclass(slots=True)
class Journals:
    """What the records say about all accounts together."""

    count: int = 0
    pruned_until: datetime | None = None  # the last job whose body and events were dropped
    before: list[dict[str, Any]] = field(default_factory=list)  # sums over what is older than the records
    _ends: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def read(self, connection: Connection) -> Iterator[Finding]:
        """Goes through all records, and names each that is wrong."""
        for chained in records.stream(connection):
            self.count += 1
            journal = f"journal:{chained.journal}"
            if problem := self._misplaced(chained):
                yield Finding(journal, None, f"record {chained.seq} {problem}")
            elif problem := self._changed(chained):
                yield Finding(chained.account or journal, None, f"record {chained.seq} of {journal} {problem}")
            else:
                self._note(chained)
            self._ends[chained.journal] = chained.seq, chained.hash
        for head in records.heads(connection):
            seq, digest = self._ends.pop(head.id, (0, b""))
            if (head.seq, head.head) != (seq, digest):
                yield Finding(f"journal:{head.id}", None, f"shows record {head.seq} as its last, which is not {seq}")
        for number in self._ends:
            yield Finding(f"journal:{number}", None, "has records and does not exist")

    def _misplaced(self, chained: Chained) -> str | None:
        seq, head = self._ends.get(chained.journal, (0, b""))
        if chained.seq != seq + 1:
            return f"follows record {seq}: there is a gap"
        return None if chained.prev_hash == head else "is not chained to the record before it"

    @staticmethod
    def _changed(chained: Chained) -> str | None:
        record = chained.record
        if record.job_id is not None and record.digest is None:
            return f"is of job {record.job_id}, which does not exist"
        if record.account_id is not None and chained.account is None:
            return f"is of account number {record.account_id}, which does not exist"
        if chained.hash == record_hash(chained.prev_hash, chained.journal, chained.seq, record):
            return None
        covered = "" if record.job_id is None else f", which covers job {record.job_id} with its answer"
        return f"does not match its hash{covered}"

    def _note(self, chained: Chained) -> None:
        if chained.record.kind is RecordKind.PRUNED:
            until = datetime.fromisoformat(json.loads(chained.record.content)["until"])
            self.pruned_until = until if self.pruned_until is None else max(until, self.pruned_until)
        elif chained.record.kind is RecordKind.BEFORE:
            self.before.append(json.loads(chained.record.content))
