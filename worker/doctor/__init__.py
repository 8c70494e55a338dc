"""What `balance-worker doctor` looks at: a running deployment against docs/guarantees.md."""
