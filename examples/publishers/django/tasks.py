"""What the service does. A view would call `place_order`."""

from __future__ import annotations

from django.db import transaction
from models.models import Order

from balance_client.django import outbox


def place_order(number: str, user_id: int, price_kopeks: int) -> Order:
    """The order and the job that takes its price: both, or neither."""
    with transaction.atomic():
        order = Order(number=number, user_id=user_id, price_kopeks=price_kopeks)
        # The key is what the job is about: however often it is published, the price is taken once.
        job = {"idempotency_key": f"order-{number}", "user_id": user_id, "amount_kopeks": -price_kopeks}
        outbox.add(("users.update_balance", job))
        order.save()
    return order
