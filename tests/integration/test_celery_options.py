"""Processes that Celery's own options or variables would move elsewhere end at once, with a sentence."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.servers import forks

OTHER = "redis://:hunter2@elsewhere/0"


def test_every_process_ends_with_the_sentence_alone(tmp_path: Path) -> None:
    worker = ["worker", "--pool", "solo"]
    started = {
        "CELERY_BROKER_URL": ["-b", OTHER, *worker],
        "CELERY_RESULT_BACKEND": ["--result-backend", OTHER, *worker],
        "CELERY_CONFIG_MODULE": ["--config", "nosuch", "beat", "--schedule", os.devnull],
        "CELERY_LOADER": ["--loader", "nosuch", "inspect", "ping"],
        "broker.read_url": [*worker, f"broker.read_url={OTHER}"],
    }
    logs = {name: tmp_path / name for name in started}
    running = {name: forks.celery(words, environment=os.environ, log=logs[name]) for name, words in started.items()}
    for name, process in running.items():
        code, said = process.wait(60), logs[name].read_text()
        assert code == 2, said
        assert name in said
        assert "Traceback" not in said
        assert "hunter2" not in said
