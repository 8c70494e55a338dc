"""What this worker hears of beat: a tick tells, in a header, which machine sent it and what time it was there.

It is told in `balance_report`, for the doctor. No tick is run, or not run, for what it says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from worker.clock import now

HEADER: Final = "balance_beat"
_MOST: Final = 16  # machines that are remembered: whoever reaches the broker can make some up
_HOST_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class _Heard:
    at: float  # monotonic seconds
    ahead_s: float | None  # its clock before ours; None: it does not say


_HEARD: Final[dict[str, _Heard]] = {}  # by machine, the last one last


def told_by(host: str) -> dict[str, Any]:
    """What beat on `host` puts into the header."""
    return {"host": host, "clock": now().timestamp()}


def heard(headers: Mapping[str, Any]) -> None:
    """A tick has come in, whether it is run or not."""
    name = "unknown"  # a beat of an earlier version
    ahead_s: float | None = None
    match headers.get(HEADER):
        case {"host": str(host), "clock": float(clock)} if math.isfinite(clock):
            name, ahead_s = host[:_HOST_MAX], clock - now().timestamp()
    _HEARD.pop(name, None)
    _HEARD[name] = _Heard(monotonic(), ahead_s)
    if len(_HEARD) > _MOST:
        del _HEARD[next(iter(_HEARD))]


def beats() -> dict[str, dict[str, float | None]]:
    """By machine: seconds since its last tick came in, and by how many its clock is ahead of this one."""
    at = monotonic()
    return {host: {"age_s": at - last.at, "ahead_s": last.ahead_s} for host, last in _HEARD.items()}
