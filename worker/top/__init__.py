"""What `balance-worker top` shows: a look at the ledger, at the broker and at the workers, each without the others."""
