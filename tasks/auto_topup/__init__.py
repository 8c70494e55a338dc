"""Auto top-up: which wallets are looked at, and what a look comes to."""
