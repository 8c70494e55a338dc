"""What finance and support ask: an account at a time, statements, reports, and keys against the ledger."""
