"""What is told back: the outcome of a job, and events."""
