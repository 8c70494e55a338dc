"""RabbitMQ as a broker: py-amqp's connection, and queues that are not as they should be."""
