"""The producer's side behind the client: messages made, accepted by the broker, and their outcomes read."""
