"""The atomic Redis transport, on real servers and with real workers."""
