"""charges.ask: providers are asked for the charges that wait, outside any transaction, and what they say is settled.

A charge is claimed for a while before it is asked for: who dies in between leaves it to the next one, who asks again
under the same id. It is asked for until the provider says what became of it; a charge is never made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, cast

import structlog

from models.batch.outcome import StoredOutcome
from models.batch.system_jobs import system_job
from models.domain import money
from models.domain.charging.charges import Charge, ChargeStatus
from models.domain.charging.policies import ProviderName
from models.domain.deciding.commands import SETTLE_CHARGE, Job
from models.domain.deciding.top_up_commands import ChargeOf, ChargeSettle
from models.domain.outcome import Code, Status
from models.domain.retry import backoff_s
from models.domain.text import shown
from models.store.connection.session import transaction
from models.store.write.top_ups import asking
from models.store.write.top_ups.asking import Claimed, Noted
from tasks.apply.retries import RetryingApplier
from tasks.auto_topup.provider import ChargeAnswer, ChargeRequest, Provider, ProviderStatus
from tasks.reminder import Reminder

_LOG: Final = structlog.get_logger(__name__)
_REMINDER: Final = Reminder()
_SETTLES: Final = {
    ProviderStatus.SUCCEEDED: ChargeStatus.SUCCEEDED,
    ProviderStatus.DECLINED: ChargeStatus.DECLINED,
    ProviderStatus.NEEDS_ACTION: ChargeStatus.NEEDS_ACTION,
}
_FINAL: Final = frozenset({ProviderStatus.SUCCEEDED, ProviderStatus.DECLINED})
_AHEAD: Final = 2  # claimed for each thread
_GATHERED_S: Final = 0.1  # answers that come so shortly after another are settled with it
_ASKED_MIN: Final = 2  # times, before a charge is given up for its age
_FAULT_OF_OURS: Final = ChargeAnswer(ProviderStatus.UNKNOWN, code="fault_of_ours")


@dataclass(frozen=True, slots=True)
class AskPolicy:
    """How providers are asked."""

    concurrency: int = 8  # charges at a time
    claim_s: int = 60  # how long a charge is left to who has claimed it: longer than any request takes
    base_s: float = 5.0  # before a charge is asked for again that nobody knows of; it doubles
    cap_s: float = 3_600.0
    give_up_s: float = 86_400.0  # after which an operator has to decide


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the providers that this deployment has."""

    applier: RetryingApplier
    providers: Mapping[ProviderName, Provider]
    policy: AskPolicy = AskPolicy()
    stopping: Callable[[], bool] = lambda: False  # whether the process was told to stop: no more is claimed then

    def ask_due(self) -> int:
        """Asks for every charge whose time has come, and returns how many were settled. Nothing while charging is off.

        Charges are claimed as threads become free, with as many more as keep the threads at work while answers are
        settled: none waits claimed for long while others could have it.
        """
        settled, look = 0, True
        running: dict[Future[ChargeAnswer], Claimed] = {}
        with ThreadPoolExecutor(self.policy.concurrency, thread_name_prefix="charge") as pool:
            while True:
                free = _AHEAD * self.policy.concurrency - len(running)
                for claimed in self.applier.persist(partial(self._claim, free, look=look)):
                    running[pool.submit(self._ask, claimed)] = claimed
                look = False
                if not running:
                    return settled
                wait(running, return_when=FIRST_COMPLETED)
                answered, _ = wait(running, timeout=_GATHERED_S)
                settled += self._conclude([(running.pop(each), each.result()) for each in answered])

    def _claim(self, most: int, *, look: bool) -> Sequence[Claimed]:
        """`look`: also for charges whose provider is none of ours."""
        if not self.applier.limits.charging or self.stopping():
            return ()
        with transaction(self.applier.engine) as connection:
            if look:
                self._tell_missing(asking.without_provider(connection, list(self.providers)))
            return asking.claim(connection, list(self.providers), most, self.policy.claim_s)

    def _ask(self, claimed: Claimed) -> ChargeAnswer:
        try:
            return self.providers[claimed.charge.provider].charge(_request(claimed))
        except Exception:  # noqa: BLE001 - whatever it is, it may have been charged: it is asked for again
            _LOG.exception(
                "charge.fault", charge=str(claimed.charge.id), provider=claimed.charge.provider.value,
                next="mend what the error says: the charge is asked for again by itself",
            )  # fmt: skip
            return _FAULT_OF_OURS

    def _conclude(self, answered: Sequence[tuple[Claimed, ChargeAnswer]]) -> int:
        told = [
            (one, answer) for one, answer in answered if _SETTLES.get(answer.status) not in (None, one.charge.status)
        ]
        jobs = [settle_job(claimed.charge, answer) for claimed, answer in told]
        for (claimed, answer), outcome in zip(told, self.applier.apply(jobs) if jobs else [], strict=True):
            if not isinstance(outcome, StoredOutcome):
                continue  # said in the log; it is asked for again when the claim runs out
            if outcome.status is Status.REJECTED and outcome.code is not Code.CHARGE_SETTLED:
                self._not_credited(claimed, answer, outcome)
            else:
                _LOG.info(
                    "charge.settled", charge=str(claimed.charge.id), account=str(claimed.account),
                    status=answer.status.value, code=answer.code, attempts=claimed.attempts,
                )  # fmt: skip
        self._note([self._next(claimed, answer) for claimed, answer in answered if answer.status not in _FINAL])
        return len(told)

    def _next(self, claimed: Claimed, answer: ChargeAnswer) -> Noted:
        """When a charge is asked for again, which is said where somebody should know."""
        charge, policy = claimed.charge, self.policy
        pause = max(backoff_s(claimed.attempts, policy.base_s, policy.cap_s), answer.retry_after_s or 0)
        left = policy.give_up_s - (claimed.at - charge.created_at).total_seconds()
        # Charging may have been paused for so long that it was hardly asked for.
        gives_up = left <= 0 and (claimed.attempts >= _ASKED_MIN or answer.status is ProviderStatus.NEEDS_ACTION)
        if left > 0:
            pause = min(pause, left)  # whatever the service wants, it is asked once more before it is given up
        again: datetime | None = None if gives_up else claimed.at + timedelta(seconds=pause)
        self._tell(claimed, answer, pause, gives_up=gives_up)
        return _noted(claimed, answer, again)

    def _tell(self, claimed: Claimed, answer: ChargeAnswer, pause: float, *, gives_up: bool) -> None:
        charge = claimed.charge
        told = {"charge": str(charge.id), "account": str(claimed.account), "provider": charge.provider.value}
        if answer.status is ProviderStatus.NEEDS_ACTION:
            return  # it is the payer's turn; who is tired of waiting cancels it
        if gives_up:
            _LOG.error(
                "charge.unresolved", **told, answer=answer.code or answer.status.value, attempts=claimed.attempts,
                next=f"look the charge up at the provider, then: balance-worker charges settle {charge.id} --status …",
            )  # fmt: skip
        elif answer.status is ProviderStatus.UNKNOWN and _REMINDER.due(
            f"charge.unknown.{charge.provider}.{answer.code}", ""
        ):
            _LOG.warning(
                "charge.unknown", **told, answer=answer.code, again_in_s=round(pause, 1),
                next="nothing while it passes: it is asked for again under the same id; see that the provider answers",
            )  # fmt: skip

    def _not_credited(self, claimed: Claimed, answer: ChargeAnswer, outcome: StoredOutcome) -> None:
        self._note([_noted(claimed, answer, None)])
        _LOG.error(
            "charge.not_credited", charge=str(claimed.charge.id), account=str(claimed.account), code=outcome.code.value,
            next="have the payment given back at the provider, then: balance-worker charges settle"
            f" {claimed.charge.id} --status void",
        )  # fmt: skip

    def _note(self, noted: Sequence[Noted]) -> None:
        def write() -> None:
            with transaction(self.applier.engine) as connection:
                asking.note(connection, noted)

        if noted:
            self.applier.persist(write)

    def _tell_missing(self, missing: Mapping[str, int]) -> None:
        for provider, count in missing.items():
            if _REMINDER.due(f"charges.no_provider.{provider}", str(count)):
                _LOG.error(
                    "charges.no_provider", provider=provider, charges=count,
                    next=f"configure the provider {provider} for the I/O workers (docs/auto-top-up.md), or cancel them",
                )  # fmt: skip


def _noted(claimed: Claimed, answer: ChargeAnswer, again: datetime | None) -> Noted:
    said = f"{answer.status.value}: {answer.code}" if answer.code else answer.status.value
    return Noted(claimed.charge.id, claimed.attempts, cast("str", shown(said)), answer.reference, again)


def settle_job(charge: Charge, answer: ChargeAnswer) -> Job:
    """What a provider\'s answer means. One key a charge: whoever asks again, its credit is written once."""
    status = _SETTLES[answer.status]
    command = ChargeSettle(ChargeOf(charge.id), status, answer.reference, answer.code, answer.link)
    suffix = f":{status.value}" if status is ChargeStatus.NEEDS_ACTION else ""
    body = {"charge_id": str(charge.id), "status": status.value}
    return system_job(SETTLE_CHARGE, str(charge.id), body, command, key=f"charge:{charge.id}{suffix}")


def _request(claimed: Claimed) -> ChargeRequest:
    charge = claimed.charge
    return ChargeRequest(
        id=charge.id,
        account=str(claimed.account),
        payer=charge.payer,
        payment_method=charge.payment_method,
        amount=charge.amount,
        currency=charge.currency,
        credits=money.text(money.from_units(charge.units, claimed.scale)),
        policy_version=charge.policy_version,
        reference=charge.reference,
        first_asked_at=charge.created_at if claimed.attempts > 1 else None,  # not before it was made
    )
