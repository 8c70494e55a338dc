"""What the database holds, against whom, and how the ledger is found out."""
