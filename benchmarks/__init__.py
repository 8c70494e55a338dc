"""Benchmarks: the worker against others, its bound and PostgreSQL's own floor, side by side on the same servers."""
