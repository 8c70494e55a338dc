"""A batch of jobs in memory: decided one after the other, answered, ready to be stored."""
