"""Processes that Celery's own options or variables would move elsewhere end at once, with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys

OTHER = "redis://:hunter2@elsewhere/0"


def test_every_process_ends_with_the_sentence_alone() -> None:
    app, worker = ["-A", "worker.app"], ["worker", "--pool", "solo"]
    started = {
        "CELERY_BROKER_URL": [*app, "-b", OTHER, *worker],
        "CELERY_RESULT_BACKEND": [*app, "--result-backend", OTHER, *worker],
        "CELERY_CONFIG_MODULE": [*app, "--config", "nosuch", "beat", "--schedule", os.devnull],
        "CELERY_LOADER": [*app, "--loader", "nosuch", "inspect", "ping"],
        "broker.read_url": [*app, *worker, f"broker.read_url={OTHER}"],
    }
    running = {
        name: subprocess.Popen([sys.executable, "-m", "celery", *arguments], stderr=subprocess.PIPE, text=True)
        for name, arguments in started.items()
    }
    for name, process in running.items():
        _, said = process.communicate(timeout=60)
        assert process.returncode == 2, said
        assert name in said
        assert "Traceback" not in said
        assert "hunter2" not in said
