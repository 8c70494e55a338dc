"""The producer's side behind `tasks.client`: messages made, accepted by the broker, and their outcomes read."""
