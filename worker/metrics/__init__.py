"""What a process counts of its work, for Prometheus; nothing where BALANCE_METRICS_PORT is not set."""
