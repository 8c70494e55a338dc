"""What has happened lately and what waits for an operator, at a cost that does not grow with the ledger."""
