"""The audit of journals: each record chained to the one before, with its job as it is now, up to the journal's head."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from models.domain.evidence.chains import RecordKind, record_hash
from models.domain.evidence.finding import Finding
from models.domain.evidence.progress import Report
from models.store.write import journals as records
from models.store.write.journals import Chained


@dataclass(slots=True)
class Notes:
    """What the records say about all accounts together: those that stand where they belong, and are as they were."""

    pruned_until: datetime | None = None  # the last job whose body and events were dropped
    before: list[dict[str, Any]] = field(default_factory=list)  # sums over what is older than the records

    def read(self, connection: Connection, after: Mapping[int, int]) -> None:
        """Adds what is said after these numbers in these journals."""
        for chained in records.notes(connection, after):
            if _changed(chained) is None:
                self._note(chained)

    def _note(self, chained: Chained) -> None:
        if chained.record.kind is RecordKind.PRUNED:
            until = datetime.fromisoformat(json.loads(chained.record.content)["until"])
            self.pruned_until = until if self.pruned_until is None else max(until, self.pruned_until)
        else:
            self.before.append(json.loads(chained.record.content))


def findings(connection: Connection, bounds: Mapping[str, Any], report: Report) -> Iterator[Finding]:
    """What is wrong with records from first_journal, first_seq to last_journal, last_seq; `report` counts them."""
    journal, number = bounds["first_journal"], bounds["first_seq"]
    ends = {journal: records.before(connection, journal, number)}
    for chained in records.stream(connection, bounds):
        report.records += 1
        name = f"journal:{chained.journal}"
        if problem := _misplaced(chained, *ends.get(chained.journal, (0, b""))):
            yield Finding(name, None, f"record {chained.seq} {problem}")
        elif problem := _changed(chained):
            yield Finding(chained.account or name, None, f"record {chained.seq} of {name} {problem}")
        ends[chained.journal] = chained.seq, chained.hash


def heads(connection: Connection) -> Iterator[Finding]:
    """What is wrong with what journals show as their last records."""
    ends = records.ends(connection)
    for head in records.heads(connection):
        seq, digest = ends.pop(head.id, (0, b""))
        if (head.seq, head.head) != (seq, digest):
            yield Finding(f"journal:{head.id}", None, f"shows record {head.seq} as its last, which is not {seq}")
    for number in ends:
        yield Finding(f"journal:{number}", None, "has records and does not exist")


def _misplaced(chained: Chained, seq: int, head: bytes) -> str | None:
    """`seq`, `head`: of the record before it."""
    if chained.seq != seq + 1:
        return f"follows record {seq}: there is a gap"
    return None if chained.prev_hash == head else "is not chained to the record before it"


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
