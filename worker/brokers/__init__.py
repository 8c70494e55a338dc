"""The brokers: what is alike in both, and a room for each."""
