"""The methods about endpoints of webhooks. The others: job_methods."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from balance_client.publishing.job_message import ABSENT, Absent
from balance_client.publishing.top_up_methods import R_co, Time, TopUpMethods
from models.contracts.jobs.webhooks import EventName

Kinds = list[Literal["user", "wallet", "app"]]


class WebhookMethods(TopUpMethods[R_co]):
    """No answer has a secret in it: `balance-worker webhooks rotate-secret` shows one."""

    def webhooks_add(
        self,
        *,
        idempotency_key: str,
        name: str,
        url: str,
        types: list[EventName] | Absent | None = ABSENT,
        kinds: Kinds | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Send events to an endpoint from now on; its id is the job's."""
        return self._call("webhooks.add", locals())

    def webhooks_update(
        self,
        *,
        idempotency_key: str,
        endpoint_id: UUID | str,
        name: str | Absent | None = ABSENT,
        url: str | Absent | None = ABSENT,
        types: list[EventName] | Absent | None = ABSENT,
        kinds: Kinds | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Change where an endpoint is, or what it is sent; None: all."""
        return self._call("webhooks.update", locals())

    def webhooks_enable(
        self,
        *,
        idempotency_key: str,
        endpoint_id: UUID | str,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Send to an endpoint again: what waited comes first."""
        return self._call("webhooks.enable", locals())

    def webhooks_disable(
        self,
        *,
        idempotency_key: str,
        endpoint_id: UUID | str,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Send nothing to an endpoint; what waits is kept."""
        return self._call("webhooks.disable", locals())

    def webhooks_rotate_secret(
        self,
        *,
        idempotency_key: str,
        endpoint_id: UUID | str,
        overlap_s: int | Absent = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Give an endpoint another secret; the one before signs beside it for `overlap_s` seconds."""
        return self._call("webhooks.rotate_secret", locals())

    def webhooks_remove(
        self,
        *,
        idempotency_key: str,
        endpoint_id: UUID | str,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Forget an endpoint, and what waits for it."""
        return self._call("webhooks.remove", locals())
