"""Whether a child process is ready: it itself, and not another of the same name or at the same place."""

from __future__ import annotations

from typing import Any, Final

import httpx
from celery import Celery

from balance_client.brokers.addresses import kombu_url, sentinel_options
from worker.local.ports import listens
from worker.settings.settings import Settings

_TIMEOUT_S: Final = 1.0
_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on


def web_address(address: str, port: int) -> str:
    """Where a browser of this machine finds what listens there."""
    host = _ANY_ADDRESS.get(address, address)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serves(pid: int, address: str, port: int, path: str = "healthcheck") -> bool:
    """Whether the process answers HTTP there."""
    if not listens(pid, port):
        return False
    try:
        answer = httpx.get(f"{web_address(address, port)}/{path}", timeout=_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.is_success


def answers(pid: int, settings: Settings, node: str) -> bool:
    """Whether the worker answers over the broker."""
    app = Celery(broker=kombu_url(settings.broker_url), set_as_current=False)
    app.conf.broker_use_ssl = settings.tls.options(settings.broker_url)
    app.conf.broker_transport_options = sentinel_options(settings.broker_url, settings.tls)
    app.conf.broker_connection_timeout = _TIMEOUT_S
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=1)
            asked = app.control.inspect([node], timeout=_TIMEOUT_S, connection=connection)
            told: dict[str, Any] = asked.stats() or {}
    finally:
        app.close()
    return bool(told.get(node, {}).get("pid") == pid)
