"""The result backend. A courtesy: no guarantee rests on it."""

from __future__ import annotations

from typing import Any, Final

import redis

from tasks.tls import is_tls
from worker.checks.finding import Finding, ok, warning
from worker.settings import Settings
from worker.urls import mask_url

_PATIENCE_S: Final = 5.0


def examine_results(settings: Settings) -> Finding:
    url = settings.result_backend
    if url == "rpc://":
        return ok("results.reachable", "reply queues on the broker")
    options: dict[str, Any] = {"socket_timeout": _PATIENCE_S, "socket_connect_timeout": _PATIENCE_S}
    if is_tls(url):
        options |= settings.tls.redis_options()
    try:
        with redis.Redis.from_url(url, **options) as client:
            client.ping()
    except redis.RedisError as error:
        return warning(
            "results.reachable", mask_url(f"{type(error).__name__}: {error}"),
            "Jobs are applied all the same, but whoever waits for an outcome waits in vain, and asks again by key.",
            f"see that it runs and that BALANCE_RESULT_URL names it; now it is {mask_url(url)}",
        )  # fmt: skip
    return ok("results.reachable", mask_url(url))
