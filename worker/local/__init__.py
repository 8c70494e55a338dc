"""Servers and processes of ours on one machine: embedded PostgreSQL and Valkey, and what keeps them running."""
