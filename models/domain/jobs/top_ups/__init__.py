"""Decisions about auto top-up: policies, looks, and what becomes of charges."""
