"""Redis and Valkey as a broker: kombu's transport without a moment in which a message could be lost."""
