"""Shards on a Citus cluster that is there already."""
