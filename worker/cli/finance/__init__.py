"""balance-worker accounts statement, report, jobs reconcile, why."""
