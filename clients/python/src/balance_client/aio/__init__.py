"""The client for asyncio: the messages, the publisher and the answers of the other one, awaited."""
