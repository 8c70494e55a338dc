"""What the audit finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not add up. `seq` is the entry; None where it is the account, a grant or a job as a whole.

    `account`: wallet:w_1; what is about none has the job, the journal or the table there.
    """

    account: str
    seq: int | None
    problem: str

    def __str__(self) -> str:
        return f"{self.account}{'' if self.seq is None else f' entry {self.seq}'}: {self.problem}"
