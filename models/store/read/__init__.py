"""What people ask the ledger, one file a noun: pages through indexes, and no locks."""
