"""How a job's method hands on its arguments, and the methods about auto top-up. The others: job_methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from balance_client.publishing.job_message import ABSENT, Absent, JobSpec

Number = Decimal | int | str
Time = datetime | str
Json = dict[str, Any]


R_co = TypeVar("R_co", covariant=True)
"""What a method gives: a handle, or what is awaited for one."""


class TopUpMethods(ABC, Generic[R_co]):
    @abstractmethod
    def submit(self, job: JobSpec, *, want_result: bool = True) -> R_co: ...

    def _call(self, name: str, arguments: dict[str, Any]) -> R_co:
        fields = {key: value for key, value in arguments.items() if key not in _OURS and value is not ABSENT}
        return self.submit((name, fields), want_result=arguments["want_result"])

    def auto_topup_set_policy(
        self,
        *,
        idempotency_key: str,
        account: str,
        trigger: Literal["disabled", "balance_below_threshold", "interval"],
        threshold: Number | Absent | None = ABSENT,
        amount: Number | Absent | None = ABSENT,
        target_balance: Number | Absent | None = ABSENT,
        interval: Literal["daily", "weekly", "monthly", "quarterly", "yearly"] | Absent | None = ABSENT,
        anchor: Time | Absent | None = ABSENT,
        timezone: str | Absent | None = ABSENT,
        min_charge: Number | Absent | None = ABSENT,
        max_charge: Number | Absent | None = ABSENT,
        monthly_cap: Number | Absent | None = ABSENT,
        cooldown_s: int | Absent | None = ABSENT,
        max_declines: int | Absent | None = ABSENT,
        provider: Literal["none", "http", "stripe"] | Absent = ABSENT,
        payer: str | Absent | None = ABSENT,
        payment_method: str | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Agree to auto top-up, with the whole policy. Amounts are credits, or roubles of a user; `account` is
        "wallet:w_1" or "user:42"."""
        return self._call("auto_topup.set_policy", locals())

    def auto_topup_resume(
        self,
        *,
        idempotency_key: str,
        account: str,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Put a suspended policy in force again."""
        return self._call("auto_topup.resume", locals())

    def auto_topup_run_now(
        self,
        *,
        idempotency_key: str,
        account: str,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Top up by the policy now, at any balance. What it bounds stays bounded."""
        return self._call("auto_topup.run_now", locals())

    def auto_topup_cancel(
        self,
        *,
        idempotency_key: str,
        account: str,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Switch the policy off, and give up a charge that has not been made."""
        return self._call("auto_topup.cancel", locals())

    def charges_settle(
        self,
        *,
        idempotency_key: str,
        charge_id: UUID | str,
        status: Literal["succeeded", "declined", "needs_action", "void", "refunded"],
        reference: str | Absent | None = ABSENT,
        code: str | Absent | None = ABSENT,
        link: str | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Tell what became of a charge, as the payment provider says it."""
        return self._call("charges.settle", locals())


_OURS = ("self", "want_result")
