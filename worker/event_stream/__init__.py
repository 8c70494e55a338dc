"""The stream of events on a broker: Redis or RabbitMQ."""
