"""The client for asyncio, on real brokers."""
