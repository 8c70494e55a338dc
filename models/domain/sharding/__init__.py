"""Shards: a ledger in many parts, each with accounts of its own."""
