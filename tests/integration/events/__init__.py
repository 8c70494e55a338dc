"""Events on their way out: the relay, the stream, webhooks, and the consumers of the examples."""
