"""The publisher's outbox in Django: a job is published if and only if the transaction around it commits.

    INSTALLED_APPS = [..., "balance_client.django"]             # then: manage.py migrate
    BALANCE_CLIENT = {"broker_url": "redis://localhost:6379/0", "producer": "shop"}

    with transaction.atomic():
        order.save()
        outbox.add(("wallets.top_up", {"idempotency_key": order.number, ...}))

    manage.py relay_balance_jobs                                # a process of its own

BALANCE_CLIENT holds the arguments of a BalanceClient by their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, InternalError, OperationalError, connections, router, transaction

from balance_client.client import BalanceClient
from balance_client.django.models import OutboxJob
from balance_client.publishing import outbox_rows
from balance_client.publishing.job_message import JobSpec
from balance_client.publishing.outbox_rows import OutboxRow, check_limit
from models.contracts.wire.envelope import DEFAULT_PRODUCER


def add(job: JobSpec, *, using: str | None = None) -> None:
    """Writes a job in the transaction of the caller: a contract's instance, or (name, keyword arguments).

    Raises InvalidJob for what the worker would refuse without looking at a balance; nothing is written then. Raises
    TransactionManagementError outside of transaction.atomic(): there the job would stay when what it is about fails.
    """
    database = using or router.db_for_write(OutboxJob)
    if not transaction.get_connection(database).in_atomic_block:
        raise transaction.TransactionManagementError(
            "a job is added to the outbox within transaction.atomic(), with what it is about"
        )
    row = OutboxRow.of(job, str(_arguments().get("producer", DEFAULT_PRODUCER)))
    OutboxJob.objects.using(database).create(job=row.job, arguments=row.arguments, account=row.account)


def relay(client: BalanceClient, *, using: str | None = None, limit: int = 500) -> int:
    """Publishes the oldest jobs, at most `limit`, in the order in which they were added. Returns how many.

    As PublisherOutbox.relay: rows are locked meanwhile, and deleted once the broker has confirmed all of them.
    """
    check_limit(limit)
    database = using or router.db_for_write(OutboxJob)
    can_skip = connections[database].features.has_select_for_update_skip_locked
    waiting = OutboxJob.objects.using(database)
    with transaction.atomic(using=database):
        jobs = list(waiting.select_for_update(skip_locked=can_skip).order_by("id")[:limit])
        if jobs:
            client.publish([job.row.message() for job in jobs])
            waiting.filter(id__in=[job.id for job in jobs]).delete()
    return len(jobs)


def relay_until(
    stopping: Event, client: BalanceClient, *, using: str | None = None, limit: int = 500, pause_s: float = 0.5
) -> None:
    """Relays until `stopping` is set, looking again `pause_s` after it found nothing more.

    A broker or a database that is away is logged as a warning and waited for; any other error is raised.
    """
    database = using or router.db_for_write(OutboxJob)
    outbox_rows.relay_until(
        stopping,
        lambda: relay(client, using=database, limit=limit),
        outbox=outbox_rows.TABLE,
        limit=limit,
        pause_s=pause_s,
        away=(OperationalError, InterfaceError, InternalError),  # the last: made read-only by a failover
        after_fault=connections[database].close,  # Django opens it anew, and only then
    )


def client_of_settings() -> BalanceClient:
    """The client that BALANCE_CLIENT describes."""
    try:
        return BalanceClient(**_arguments())
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"BALANCE_CLIENT: {error}") from error


def _arguments() -> Mapping[str, Any]:
    arguments = getattr(settings, "BALANCE_CLIENT", None)
    if not isinstance(arguments, Mapping) or "broker_url" not in arguments:
        raise ImproperlyConfigured('set BALANCE_CLIENT = {"broker_url": "redis://…", "producer": "…"} in your settings')
    return arguments
