"""balance-worker top: the command, and what it draws."""
