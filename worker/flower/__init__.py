"""Flower behind its door."""
