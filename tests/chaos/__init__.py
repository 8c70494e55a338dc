"""Chaos: a running system, everything around it failing at random, and a count of every job at the end."""
