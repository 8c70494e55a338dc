"""A Django app: the outbox in Django's own database and transactions. Needs Django."""
