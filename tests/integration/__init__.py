"""Tests with a database, a broker or processes."""
