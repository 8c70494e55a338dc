"""balance-worker jobs and publish: what was asked, what came of it, and asking."""
