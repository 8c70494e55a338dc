"""Whether a process does its work, and if not why: one judgement, for whoever asks.

A worker that is not ready is not to be killed: what it waits for is around it, and it goes on by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SILENT_MAX_S: Final = 15.0
"""How long an event loop may be busy with one thing. It speaks every two seconds when nothing keeps it."""

Kind = Literal["broker", "queues", "unusable", "database", "held", "loop", "process"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a process from its work. `kind` is a stable name for programs, `next` what to do."""

    kind: Kind
    what: str
    next: str


@dataclass(frozen=True, slots=True)
class Word:
    """What a process said of itself, from its event loop. `at`: monotonic seconds of its machine."""

    node: str
    pid: int
    at: float
    troubles: tuple[Trouble, ...] = ()


def judge(word: Word, at: float, *, alive: bool = True) -> tuple[Trouble, ...]:
    """Why the process is not ready; empty when it is. `alive`: there is a process of this id."""
    if not alive:
        return (Trouble("process", f"process {word.pid} is gone", "start it; its log says why it ended"),)
    silent_s = at - word.at
    if 0 <= silent_s <= SILENT_MAX_S:
        return word.troubles
    silent = Trouble(
        "loop", f"its event loop has said nothing for {silent_s:.0f} s",
        "it is stopped, or waits for the broker or one SQL statement: see its log; a restart loses nothing",
    )  # fmt: skip
    return (silent, *word.troubles)
