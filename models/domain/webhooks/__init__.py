"""Webhooks: where they may be sent, their secrets, and what becomes of them."""
