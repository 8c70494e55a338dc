"""Faults, and what our own work comes to: jobs of ours, looks, charges, deliveries of webhooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from models.batch.outcome import StoredOutcome
from models.domain.charging.policies import Reason
from models.domain.deciding.commands import AUTO_TOP_UP, SETTLE_CHARGE, Job
from models.domain.deciding.top_up_commands import ChargeSettle
from models.domain.errors import DeploymentFault, DoubtfulFault, TransientFault
from models.domain.outcome import Status
from models.domain.webhooks.endpoints import DeliveryStatus
from tasks.apply.faults import FaultObserver
from worker.metrics import catalogue
from worker.metrics.labels import OTHER
from worker.metrics.process_metrics import ProcessMetrics

_REASONS: Final = frozenset(Reason)


class WorkMetrics:
    """A fault observer (tasks/apply/faults.py) that counts, and passes all of it on to another."""

    def __init__(self, metrics: ProcessMetrics, then: FaultObserver) -> None:
        self._then = then
        self._faults = metrics.counter(catalogue.FAULTS)
        self._jobs = metrics.counter(catalogue.SYSTEM_JOBS)
        self._evaluations = metrics.counter(catalogue.EVALUATIONS)
        self._charges = metrics.counter(catalogue.CHARGES)
        self._deliveries = metrics.counter(catalogue.DELIVERIES)

    def waiting(self, error: Exception, attempt: int, seconds: float) -> None:
        self._faults.labels("waiting", _reason(error)).inc()
        self._then.waiting(error, attempt, seconds)

    def isolating(self, jobs: int, error: Exception) -> None:
        self._faults.labels("isolating", _reason(error)).inc()
        self._then.isolating(jobs, error)

    def undecided(self, jobs: int, error: BaseException) -> None:
        self._faults.labels("undecided", _reason(error)).inc()
        self._then.undecided(jobs, error)

    def failed(self, job: Job, error: Exception) -> None:
        self._faults.labels("failed", _reason(error)).inc()
        self._then.failed(job, error)

    def passed(self) -> None:
        self._then.passed()

    def applied(self, jobs: Sequence[Job], outcomes: Sequence[object]) -> None:
        for job, outcome in zip(jobs, outcomes, strict=True):
            if not isinstance(outcome, StoredOutcome):
                continue  # counted as a fault
            self._jobs.labels(job.name, outcome.code.value, "true" if outcome.replayed else "false").inc()
            if outcome.replayed or outcome.status is not Status.APPLIED:
                continue
            if job.name == AUTO_TOP_UP:
                self._evaluations.labels(_decided(outcome)).inc()
            elif job.name == SETTLE_CHARGE and isinstance(job.command, ChargeSettle):
                self._charges.labels(job.command.status.value).inc()
        self._then.applied(jobs, outcomes)

    def attempted(self, deliveries: Sequence[DeliveryStatus]) -> None:
        """Webhooks were sent, and this came of it."""
        for status, count in Counter(deliveries).items():
            self._deliveries.labels(status.value).inc(count)


def _reason(error: BaseException) -> str:
    if isinstance(error, DeploymentFault):
        return "deployment"
    if isinstance(error, TransientFault):
        return "passing"
    return "doubtful" if isinstance(error, DoubtfulFault) else OTHER


def _decided(outcome: StoredOutcome) -> str:
    """Why a look did or did not fire, as its answer says."""
    told = outcome.document().get("response")
    policy = told.get("policy") if isinstance(told, dict) else None
    reason = policy.get("reason") if isinstance(policy, dict) else None
    return reason if reason in _REASONS else OTHER
