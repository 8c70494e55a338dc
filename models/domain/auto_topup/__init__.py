"""Auto top-up: whether a policy fires, when it is looked at, and what becomes of a charge."""
