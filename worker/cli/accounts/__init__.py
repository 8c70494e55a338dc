"""balance-worker accounts: what an account is, what moved it, and setting it right."""
