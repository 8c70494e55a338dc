"""What is on its way out: lanes of the outbox, endpoints, and the queues of their deliveries."""
