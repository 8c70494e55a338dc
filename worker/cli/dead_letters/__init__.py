"""balance-worker dead-letters: what was parked, and what to do with it."""
