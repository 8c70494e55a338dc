"""When to try again, decided purely: the caller brings the attempt, the fault and a random number, and waits."""

from __future__ import annotations

from dataclasses import dataclass

from models.domain.errors import KeyRace, TransientFault


def backoff_s(attempt: int, base_s: float, cap_s: float) -> float:
    """The longest wait after attempt number `attempt` (from 1), in seconds: `base_s`, doubling up to `cap_s`."""
    return min(cap_s, base_s * 2.0 ** min(attempt - 1, 30))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    base_s: float = 0.1
    cap_s: float = 5.0
    limit: int = 5  # attempts of a job that fails by anything but a transient fault
    races: int = 5  # attempts that end in a race and are made again at once, before waiting as for any other fault


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Park:
    attempts: int


def decide_retry(policy: RetryPolicy, attempt: int, fault: BaseException, random: float) -> Wait | Park:
    """What to do after attempt number `attempt` (from 1) ended in `fault`. `random` is in [0, 1).

    A race is run again at once. A transient fault is waited out for as long as it lasts: the database being away is no
    reason to give up money. Waits double up to the cap and are spread over their upper half, so that workers do not
    return in step.
    """
    # A race is over once the other transaction has ended; one that goes on is not a race, and must not spin.
    if isinstance(fault, KeyRace) and attempt <= policy.races:
        return Wait(0.0)
    if not isinstance(fault, TransientFault) and attempt >= policy.limit:
        return Park(attempt)
    return Wait(backoff_s(attempt, policy.base_s, policy.cap_s) * (0.5 + random / 2))
