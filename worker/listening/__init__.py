"""Where a worker or beat answers /metrics, /healthz and /readyz: a small HTTP server in a thread of the process."""
