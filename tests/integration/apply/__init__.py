"""THE PATH on a real database."""
