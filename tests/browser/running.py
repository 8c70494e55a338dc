"""A Flower on servers of the test's session, and the browser that looks at it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.acceptance.system import wait_until
from worker.local.ports import free_port

USER, PASSWORD = "olga", "let-me-in"  # pragma: allowlist secret
_NAMES = ("chromium", "chromium-browser")


@dataclass(frozen=True)
class RunningFlower:
    """`login`: whom it lets in; None: whoever comes, and nothing can be changed."""

    url: str
    login: tuple[str, str] | None
    process: subprocess.Popen[bytes]


@contextmanager
def flower_running(
    environment: Mapping[str, str],
    log: Path,
    *,
    login: tuple[str, str] | None = (USER, PASSWORD),
    prefix: str = "",
    program: str = "celery",
) -> Iterator[RunningFlower]:
    """`celery -A worker.app flower` with these settings, until the block ends. `program`: a module that runs it."""
    port = free_port()
    given = {**os.environ, **environment, "FLOWER_URL_PREFIX": prefix}
    if login is not None:
        given["FLOWER_BASIC_AUTH"] = ":".join(login)
    words = [sys.executable, "-m", program, "-A", "worker.app", "flower", f"--port={port}"]
    with log.open("ab") as output:
        process = subprocess.Popen(words, env=given, stdout=output, stderr=output)
    path = f"/{prefix.strip('/')}" if prefix else ""
    url = f"http://127.0.0.1:{port}{path}"
    try:
        wait_until("Flower to answer", lambda: _answers(f"{url}/healthcheck", process, log))
        yield RunningFlower(url, login, process)
    finally:
        process.terminate()
        process.wait(30)


def chromium() -> str:
    """Skips the test on a machine that has none; in CI that is a failure."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        reason = "there is no chromium on this machine (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def browser_running() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-2000:]
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False
