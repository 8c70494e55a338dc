"""Auto top-up: policies, and what was charged by them."""
