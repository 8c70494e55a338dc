"""Alembic migrations, up and down. Run them with `balance-worker migrate`."""
