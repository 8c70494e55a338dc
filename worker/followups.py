"""What a publisher asked Celery to do next: callbacks and chains, as after any other task."""

from __future__ import annotations

from typing import Any

from celery import signature

from tasks.outcome import Outcome
from worker.delivery import Delivery


def follow_up(app: Any, delivery: Delivery, outcome: Outcome) -> None:
    """Publishes the callbacks of a settled job and the next link of its chain, with the outcome document.

    Raises when the broker does not take them. The caller then leaves the message unacknowledged: it is delivered
    again, replayed, and followed up, so that a follow-up is sent at least once.
    """
    embed = delivery.embed
    callbacks, chain = embed.get("callbacks") or [], list(embed.get("chain") or [])
    if not callbacks and not chain:
        return
    document, request = outcome.document(), delivery.request
    root_id = request.root_id or request.id
    for callback in callbacks:
        signature(callback, app=app).apply_async((document,), parent_id=request.id, root_id=root_id)
    if chain:
        # Celery keeps the links of a chain last first.
        signature(chain.pop(), app=app).apply_async((document,), chain=chain, parent_id=request.id, root_id=root_id)
