"""How far a verification has come: what it goes on from when it was stopped, and what it has found until then."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from models.domain.evidence.finding import Finding
from models.domain.value import value

PARTS_MAX: Final = 1024
FINDINGS_KEPT: Final = 10_000
"""Findings beyond are counted: whoever has that many looks at the first ones, and memory stays small."""
ACCOUNTS, JOURNALS, JOBS, REST = "accounts", "journals", "jobs", "rest"
STEPS: Final = (ACCOUNTS, JOURNALS, JOBS, REST)
"""In their order. Accounts, records and jobs are walked, range by range; the rest is looked at once."""


@value(frozen=True, slots=True)
class Part:
    """Part `number`, 0 to `count` - 1, of a verification. Together the parts are the whole, whenever each is run."""

    number: int = 0
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, stretch: int) -> bool:
        return stretch % self.count == self.number

    def next(self, stretch: int) -> int:
        """The first stretch of this part that is not before `stretch`."""
        return stretch + (self.number - stretch) % self.count


WHOLE: Final = Part()


def parse_part(text: str) -> Part:
    """The part that is written as 3/16. Raises ValueError, which says how it is written."""
    number, slash, count = text.partition("/")
    if not (slash and all(each.isascii() and each.isdecimal() and len(each) < 6 for each in (number, count))):
        raise ValueError(f"a part is written as NUMBER/COUNT, such as 3/16, not {text!r}")
    part = Part(int(number), int(count))
    if not 1 <= part.count <= PARTS_MAX:
        raise ValueError(f"there are 1 to {PARTS_MAX} parts, not {part.count}")
    if part.number >= part.count:
        raise ValueError(f"parts are numbered from 0: the last of {part.count} is {part.count - 1}/{part.count}")
    return part


@dataclass(slots=True)
class Report:
    """What was read, and what is wrong with it. `found`: how many findings there are, of which the first are kept."""

    accounts: int = 0
    entries: int = 0
    grants: int = 0
    records: int = 0
    jobs: int = 0
    ranges: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def coherent(self) -> bool:
        return not self.found

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.found += 1
            if self.found <= FINDINGS_KEPT:
                self.findings.append(finding)


@dataclass(slots=True)
class Progress:
    """Where a verification is: everything before `at` in `step`, and all steps before, is verified.

    `seen`: by journal, number and hash of the last record there was when the ledger was last looked at. A ledger that
    has them no more is another one, or an earlier state of this one. `pruned_until`: the last job whose body was
    dropped by then.
    """

    part: Part = WHOLE
    step: str | None = ACCOUNTS  # None: all is done
    at: int | None = None  # None: the beginning
    report: Report = field(default_factory=Report)
    seen: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    pruned_until: datetime | None = None

    def end_step(self) -> None:
        assert self.step is not None
        later = STEPS[STEPS.index(self.step) + 1 :]
        self.step, self.at = (later[0] if later else None), None

    def text(self) -> str:
        document = {
            "part": str(self.part),
            "step": self.step,
            "at": self.at,
            "seen": {journal: [seq, digest.hex()] for journal, (seq, digest) in self.seen.items()},
            "pruned_until": None if self.pruned_until is None else self.pruned_until.isoformat(),
            "report": asdict(self.report),
        }
        return json.dumps(document)

    @classmethod
    def read(cls, text: str) -> Progress:
        """Raises ValueError when it is not what `text` writes."""
        try:
            return cls._of(json.loads(text))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    @classmethod
    def _of(cls, document: Any) -> Progress:
        told, pruned, step = document["report"], document["pruned_until"], document["step"]
        if step is not None and step not in STEPS:
            raise ValueError(f"there is no step {step}")
        report = Report(**{**told, "findings": [Finding(**finding) for finding in told["findings"]]})
        seen = {int(journal): (int(seq), bytes.fromhex(digest)) for journal, (seq, digest) in document["seen"].items()}
        at = None if document["at"] is None else int(document["at"])
        until = None if pruned is None else datetime.fromisoformat(pruned)
        return cls(parse_part(document["part"]), step, at, report, seen, until)
