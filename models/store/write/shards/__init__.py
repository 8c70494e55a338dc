"""What one shard asks of the others: whose a key is, and whose a telegram id."""
