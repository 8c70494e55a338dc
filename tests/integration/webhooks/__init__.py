"""The sender of webhooks against real servers, most of which misbehave."""
