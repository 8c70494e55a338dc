"""Addresses of brokers and how they are reached, for publishers and workers alike."""
