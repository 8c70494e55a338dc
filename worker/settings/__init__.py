"""Settings: what there is, what is allowed, and where the environment is read."""
