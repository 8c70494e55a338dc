"""balance-worker auto-topup: policies, where they stand and why, and what operators may ask of them."""
