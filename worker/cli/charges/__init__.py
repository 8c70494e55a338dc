"""balance-worker charges and charging: what providers are asked for, settled by hand, and paused for all."""
