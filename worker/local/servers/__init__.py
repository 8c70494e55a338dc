"""Servers of our own: PostgreSQL and Valkey from wheels, kept running."""
