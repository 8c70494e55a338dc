"""What this worker settled in the last minute, for whoever asks it: `inspect balance_report`, and so `top`."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from uuid import UUID

from celery.worker.request import Request

from models.batch.outcome import Answer, StoredOutcome
from models.contracts.wire.dead_letter import DeadLetter
from worker.encoding.published import published_at
from worker.ledger_clock import LEDGER_CLOCK

WINDOW_S: Final = 60.0
_BATCHES_MAX: Final = 5_000  # that are remembered: what they cover is told
_PARKED: Final = "parked"


@dataclass(frozen=True, slots=True)
class _Batch:
    at: float  # monotonic seconds
    jobs: int
    seconds: float
    waited_s: float | None  # from the publishing of its first message to its commit, where that says it
    codes: Counter[str]
    replayed: int


class Recent:
    """An observer of messages (worker/observability/observer.py). It costs a batch, not a job, a few microseconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock, self._since = clock, clock()
        self._batches: deque[_Batch] = deque(maxlen=_BATCHES_MAX)

    def received(self, request: Request) -> None:
        """Nothing."""

    def sent_on(self, request: Request) -> None:
        """Nothing."""

    def started(self, requests: Sequence[Request]) -> None:
        """Nothing."""

    def waits(self, requests: Sequence[Request], seconds: float) -> None:
        """Nothing: faults are counted where they are told (tasks/apply/faults.py)."""

    def settled(self, answers: Sequence[tuple[Request, Answer]], seconds: float) -> None:
        if not answers:
            return
        found = [answer for _, answer in answers if isinstance(answer, StoredOutcome)]
        codes = Counter(answer.code.value for answer in found)
        if parked := len(answers) - len(found):
            codes[_PARKED] = parked
        message: Any = answers[0][0].message
        published = published_at(message.headers, message.properties)
        waited_s = None if published is None else max(0.0, LEDGER_CLOCK.now().timestamp() - published)
        replayed = sum(answer.replayed for answer in found)
        self._batches.append(_Batch(self._clock(), len(answers), seconds, waited_s, codes, replayed))

    def parked(self, letters: Sequence[DeadLetter], ids: Sequence[UUID]) -> None:
        """Nothing: they are counted with their batch."""

    def told(self) -> dict[str, Any]:
        """Of the last minute, or of what is remembered of it. Times are of jobs: those of the batch that had them."""
        at = self._clock()
        batches = [each for each in self._batches if at - each.at <= WINDOW_S]
        full = len(self._batches) == _BATCHES_MAX and len(batches) == _BATCHES_MAX
        seconds = min(WINDOW_S, at - (batches[0].at if full else self._since))
        codes: Counter[str] = sum((each.codes for each in batches), Counter())
        return {
            "seconds": round(max(seconds, 0.001), 3),
            "jobs": sum(each.jobs for each in batches),
            "batches": len(batches),
            "codes": dict(codes),
            "replayed": sum(each.replayed for each in batches),
            "apply_s": _quantiles((each.seconds, each.jobs) for each in batches),
            "publish_to_commit_s": _quantiles(
                (each.waited_s, each.jobs) for each in batches if each.waited_s is not None
            ),
        }


def _quantiles(values: Iterable[tuple[float, int]]) -> dict[str, float] | None:
    """Of values, each as often as it says. None: there are none."""
    ordered = sorted(values)
    total, seen, found = sum(count for _, count in ordered), 0, dict[str, float]()
    for value, count in ordered:
        seen += count
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            if name not in found and seen >= share * total:
                found[name] = round(value, 6)
    return found or None
