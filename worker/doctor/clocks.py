"""Clocks beside ours."""

from __future__ import annotations

from typing import Final

from worker.doctor.finding import Finding, ok, warning

SKEW_MAX_S: Final = 2.0


def clock(check: str, whose: str, theirs: float, ours: float, uncertain_s: float = 0.0) -> Finding:
    """`theirs` and `ours` are seconds since 1970, read at once but for `uncertain_s`."""
    skew = theirs - ours
    found = f"{whose}: {skew:+.1f} s"
    if abs(skew) <= SKEW_MAX_S + uncertain_s:
        return ok(check, found)
    return warning(
        check,
        found,
        "No guarantee rests on clocks that agree, but credits expire and scheduled work comes due by them, and the "
        "times in logs and answers cannot be compared.",
        f"synchronise the clocks of {whose} and of this machine (NTP)",
    )
