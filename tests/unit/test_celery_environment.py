"""What Celery would read past BALANCE_*, from its environment or its command line, stops every process of ours."""

from __future__ import annotations

import re
from pathlib import Path

import celery
import flower
import kombu
import pytest

from worker.settings.settings import SettingsError, load_settings

OURS = "redis://:pw@127.0.0.1:1/3"
OTHER = "redis://:hunter2@elsewhere/0"
BROKER = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_BROKER", "BROKER_URL")
RESULTS = ("CELERY_RESULT_BACKEND", "RESULT_BACKEND")
CODE = ("CELERY_CONFIG_MODULE", "CELERY_CONFIG", "CONFIG_MODULE", "CELERY_LOADER", "LOADER")

READ = re.compile(r"""(?:environ(?:\.get\(|\[)|getenv\(|envvar=)\s*["'](\w+)["']""")
HARMLESS = frozenset(
    # How loud and how coloured, debugging, how much is remembered of what was revoked, other transports and pools,
    # Flower's own signing in, what Celery sets for its children.
    re.findall(
        r"\w+",
        """
    APP AUTOSCALE_KEEPALIVE CELERY_BENCH CELERY_BENCH_EVERY CELERY_CUSTOM_WORKER_POOL CELERY_LOG_FILE CELERY_LOG_LEVEL
    CELERY_LOG_REDIRECT CELERY_LOG_REDIRECT_LEVEL CELERY_RDBSIG CELERY_SKIP_CHECKS CELERY_TRACE_APP
    CELERY_WORKER_REVOKES_MAX CELERY_WORKER_REVOKE_EXPIRES CELERY_WORKER_SUCCESSFUL_EXPIRES CELERY_WORKER_SUCCESSFUL_MAX
    C_BENCH C_BENCH_EVERY C_FAKEFORK C_FORCE_ROOT C_IMPDEBUG C_REMDEBUG C_STRICT_APP C_WARN_APP C_WNOCONF
    DISABLE_TRACEBACKS EVENTLET_NOBLOCK FLOWER_GITHUB_OAUTH_DOMAIN FLOWER_GITLAB_AUTH_ALLOWED_GROUPS
    FLOWER_GITLAB_MIN_ACCESS_LEVEL FLOWER_GITLAB_OAUTH_DOMAIN FLOWER_OAUTH2_KEY FLOWER_OAUTH2_OKTA_BASE_URL
    FLOWER_OAUTH2_REDIRECT_URI FLOWER_OAUTH2_SECRET FLOWER_UNAUTHENTICATED_API FORKED_BY_MULTIPROCESSING ITERM_PROFILE
    KOMBU_DEBUG_POOL KOMBU_DISABLE_LIMIT_PROTECTION KOMBU_LOG_CHANNEL KOMBU_LOG_CONNECTION KOMBU_LOG_DEBUG MP_LOG
    MP_MAIN_FILE NOSETPS NO_COLOR PICKLE_PROTOCOL PUBSUB_EMULATOR_HOST PWD SKIP_CHECKS SLMQ_ACCOUNT SLMQ_HOST SLMQ_PORT
    SLMQ_SECURE SL_API_KEY SL_USERNAME TERM TIMER_DEBUG USE_FAST_LOCALS
        """,
    )
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*BROKER, *RESULTS, *CODE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BALANCE_BROKER_URL", OURS)
    load_settings.cache_clear()
    return monkeypatch


@pytest.mark.parametrize("name", [*BROKER, *RESULTS])
def test_another_address_is_refused_and_the_same_is_not(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, OURS)
    assert load_settings().broker_url == OURS
    load_settings.cache_clear()
    environment.setenv(name, OTHER)
    with pytest.raises(SettingsError, match=rf"^{name} is 'redis://:\*\*\*@elsewhere/0'.*unset it"):
        load_settings()
    load_settings.cache_clear()
    environment.setenv(name, "")
    load_settings()


@pytest.mark.parametrize("name", CODE)
def test_settings_from_elsewhere_are_refused(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "somewhere.else")
    with pytest.raises(SettingsError, match=rf"^{name} is 'somewhere.else': .*unset it"):
        load_settings()


def test_a_worker_that_would_begin_with_a_purge_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CELERY_WORKER_PURGE", "1")
    with pytest.raises(SettingsError, match=r"^CELERY_WORKER_PURGE is set"):
        load_settings()


def test_there_is_no_other_variable_that_matters() -> None:
    """A new Celery may read a new one: look what it does, and refuse it or call it harmless."""
    read: set[str] = set()
    for package in (celery, kombu, flower):
        for file in Path(str(package.__file__)).parent.rglob("*.py"):
            if "contrib" not in file.parts:  # imported by whoever asks for it
                read |= set(READ.findall(file.read_text()))
    assert {"CELERY_BROKER_URL", "LOADER", "KOMBU_LOG_CHANNEL"} <= read
    assert read - {*BROKER, *RESULTS, *CODE} - HARMLESS == set()
