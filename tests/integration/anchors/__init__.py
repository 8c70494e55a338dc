"""Anchors, and what they are against."""
