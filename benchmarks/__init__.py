"""Benchmarks: the worker against a plain one and against PostgreSQL's own floor, side by side on the same servers."""
