"""What happens: the jobs, the path that applies them, the scheduled work and the producer's client."""
