"""Webhooks: events sent to the endpoints of strangers."""
