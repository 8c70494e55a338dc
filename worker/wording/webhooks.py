"""An endpoint in words: how sending there goes, and all that is known of it. Its secret is no part of it."""

from __future__ import annotations

from models.store.read.webhooks import EndpointShown
from worker.encoding.shown import when


def endpoint_facts(found: EndpointShown) -> dict[str, str]:
    """For people."""
    endpoint = found.endpoint
    secret = f"number {endpoint.secret.version}"
    if endpoint.former is not None and endpoint.former_until is not None:
        secret += f", and number {endpoint.former.version} until {when(endpoint.former_until)}"
    return {
        "id": str(endpoint.id),
        "name": endpoint.name,
        "url": endpoint.url,
        "events": _all_or(endpoint.types),
        "accounts": _all_or(endpoint.kinds),
        "status": status_of(found),
        "secret": secret,
        "waiting": f"{found.waiting}, since {when(found.waiting_since)}" if found.waiting else "0",
        "failures in a row": str(found.failures),
        "failing since": when(found.failing_since),
        "tried again": when(found.open_at),
        "last attempt": when(found.last_at),
        "it came to": found.last_code or "",
        "added": when(endpoint.created_at),
        "changed": when(endpoint.updated_at),
    }


def status_of(found: EndpointShown) -> str:
    """In a word or two."""
    endpoint = found.endpoint
    if endpoint.removed:
        return "removed"
    if endpoint.disabled is not None:
        return f"disabled: {endpoint.disabled.value}"
    return "failing" if found.failures else "enabled"


def _all_or(values: tuple[str, ...] | None) -> str:
    return "all" if values is None else ", ".join(values)
