"""Our app without events of tasks, as a plain worker is run: `celery -A benchmarks.silent_worker worker`."""

from __future__ import annotations

from worker.app import app

app.conf.worker_send_task_events = False

__all__ = ["app"]
