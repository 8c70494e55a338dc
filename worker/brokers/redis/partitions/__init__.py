"""Partitions on Redis: one consumer at a time takes from each, under a lease with fencing."""
