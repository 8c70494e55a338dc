"""Celery's result backend behind sentinels, with errors that can be read."""

from __future__ import annotations

from typing import Any

from celery.backends import redis

from balance_client.brokers.sentinels import Sentinels

_stock: Any = redis  # its stubs leave out most of what is built on here


class SentinelBackend(_stock.SentinelBackend):  # type: ignore[misc]  # Any, see _stock
    """Celery's."""

    def _get_sentinel_instance(self, **params: Any) -> Sentinels:
        hosts = [(part["host"], part["port"]) for part in params.pop("hosts")]
        options = self.app.conf.result_backend_transport_options
        return Sentinels(hosts, sentinel_kwargs=options["sentinel_kwargs"], **params)
