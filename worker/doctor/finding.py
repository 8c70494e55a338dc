"""What an examination says of one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"  # the guarantees hold, but less far, or an eye should be kept on it
    FAILURE = "failure"  # a guarantee does not hold, or jobs are not worked on


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a stable name for programs. `meaning` and `action` are empty when all is well."""

    check: str
    level: Level
    found: str
    meaning: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many findings there are of each level."""

    failure: int
    warning: int
    ok: int

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Counts:
        levels = [finding.level for finding in findings]
        return cls(levels.count(Level.FAILURE), levels.count(Level.WARNING), levels.count(Level.OK))


def ok(check: str, found: str) -> Finding:
    return Finding(check, Level.OK, found)


def warning(check: str, found: str, meaning: str, action: str) -> Finding:
    return Finding(check, Level.WARNING, found, meaning, action)


def failure(check: str, found: str, meaning: str, action: str) -> Finding:
    return Finding(check, Level.FAILURE, found, meaning, action)
