"""Auto top-up: when a wallet is due."""
