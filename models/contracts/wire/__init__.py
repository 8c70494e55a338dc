"""What every message has: its envelope, the types of its fields, its signature, and how it becomes a job."""
