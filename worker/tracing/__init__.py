"""Traces by OpenTelemetry, where BALANCE_TRACES is on: nothing of it is imported anywhere else."""
