"""Real servers and processes for tests, and what stands between them."""
