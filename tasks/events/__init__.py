"""Events on their way out of the outbox: to the stream of the broker, and to webhooks."""
