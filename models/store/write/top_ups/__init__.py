"""Policies, charges, and the switches of operators."""
