"""The result backend. A courtesy: no guarantee rests on it."""

from __future__ import annotations

from typing import Final

import redis

from balance_client.brokers.addresses import redis_address
from worker.doctor.finding import Finding, ok, warning
from worker.doctor.steps import told
from worker.encoding.urls import mask_url
from worker.settings.settings import Settings

_PATIENCE_S: Final = 5.0
_NO_KEY: Final = "celery-task-meta-none"


def examine_results(settings: Settings) -> Finding:
    url = settings.result_backend
    if url == "rpc://":
        return ok("results.reachable", "reply queues on the broker")
    try:
        with redis_address(url).client(settings.tls, _PATIENCE_S) as client:
            client.set(_NO_KEY, "", xx=True)  # a write that does nothing
    except redis.RedisError as error:
        return warning(
            "results.reachable", told(error),
            "Jobs are applied all the same, but whoever waits for an outcome waits in vain, and asks again by key.",
            f"see that it runs, can be written to, and that BALANCE_RESULT_URL names it; now it is {mask_url(url)}",
        )  # fmt: skip
    return ok("results.reachable", mask_url(url))
