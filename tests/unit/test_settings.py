"""Settings: read from the environment once, refused in sentences, shown without passwords, documented."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from worker.encoding.urls import SecretUrl, mask_url
from worker.settings.child import given
from worker.settings.settings import Settings, SettingsError, load_settings
from worker.settings.table import effective, settings_markdown
from worker.settings.texts import PREFIX

Environment = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment without settings, and nothing remembered."""
    for variable in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(variable)
    load_settings.cache_clear()
    return monkeypatch


def _refusal(environment: Environment, **values: str) -> str:
    for name, value in values.items():
        environment.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


def test_defaults_are_valid_and_come_from_nowhere() -> None:
    settings = load_settings()
    assert settings.model_fields_set == set()
    assert settings.broker_url == "redis://127.0.0.1:6379/0"
    assert settings.database_url == "postgresql+psycopg://127.0.0.1:5432/balance"


def test_the_environment_is_read_once(environment: Environment) -> None:
    environment.setenv("BALANCE_POOL_SIZE", "7")
    first = load_settings()
    environment.setenv("BALANCE_POOL_SIZE", "8")
    assert load_settings() is first
    assert first.pool_size == 7
    assert first.model_fields_set == {"pool_size"}


def test_importing_reads_no_environment() -> None:
    program = "import worker.app, worker.settings.settings, worker.settings.table, worker.observability.log.configuring"
    environment = {**os.environ, "BALANCE_POOL_SIZE": "nonsense"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.pool_size = 3  # type: ignore[misc]


def test_an_empty_variable_counts_as_unset(environment: Environment) -> None:
    environment.setenv("BALANCE_RESULT_URL", "")
    environment.setenv("BALANCE_POOL_SIZE", "")
    assert load_settings() == Settings()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_say_postgresql_becomes_psycopg_3(scheme: str) -> None:
    settings = Settings(database_url=f"{scheme}://u:p%40w@db:6432/money?sslmode=require")
    assert settings.database_url == "postgresql+psycopg://u:p%40w@db:6432/money?sslmode=require"


@pytest.mark.parametrize(
    ("broker", "result", "kind", "backend"),
    [
        ("redis://h/0", None, "redis", "redis://h/0"),
        ("rediss://:p@h/0", "redis://other/1", "redis", "redis://other/1"),
        ("amqp://u:p@h//", None, "rabbitmq", "rpc://"),
        ("amqps://u:p@h/v", "redis://h/1", "rabbitmq", "redis://h/1"),
        ("amqp://a//;amqp://b//", "rpc://", "rabbitmq", "rpc://"),
    ],
)
def test_the_result_backend_follows_the_broker(broker: str, result: str | None, kind: str, backend: str) -> None:
    settings = Settings(broker_url=broker, result_url=result)
    assert (settings.broker_kind, settings.result_backend) == (kind, backend)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("POOL_SIZE", "many", "BALANCE_POOL_SIZE is 'many'; allowed is a whole number from 1 to 100."),
        ("POOL_SIZE", "2.5", "BALANCE_POOL_SIZE is '2.5'; allowed is a whole number from 1 to 100."),
        ("RETRY_BASE_S", "nan", "BALANCE_RETRY_BASE_S is 'nan'; allowed is a number above 0 to 60."),
        ("RETRY_CAP_S", "inf", "BALANCE_RETRY_CAP_S is 'inf'; allowed is a number above 0 to 300."),
        ("LOG_FORMAT", "xml", "BALANCE_LOG_FORMAT is 'xml'; allowed is one of console, json."),
        ("QUEUE", "a b", "BALANCE_QUEUE is 'a b'; allowed is 1 to 100 letters, digits, dots, hyphens and underscores."),
        ("BROKER_URL", "memory://", "BALANCE_BROKER_URL is 'memory://'; allowed is a redis://"),
        ("BROKER_URL", "redis://", "BALANCE_BROKER_URL is 'redis://'; allowed is a redis://"),
        ("DATABASE_URL", "sqlite:///x", "BALANCE_DATABASE_URL is 'sqlite:///x'; allowed is a postgresql:// URL"),
        ("DATABASE_URL", "postgresql+asyncpg://h/x", "BALANCE_DATABASE_URL is 'postgresql+asyncpg://h/x'"),
        ("DATABASE_URL", "postgresql://h", "BALANCE_DATABASE_URL is 'postgresql://h'; allowed is"),
        ("RESULT_URL", "file:///tmp", "BALANCE_RESULT_URL is 'file:///tmp'; allowed is"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(
    environment: Environment, name: str, value: str, sentence: str
) -> None:
    assert _refusal(environment, **{name: value}).startswith(sentence)


def test_every_wrong_value_gets_a_sentence_of_its_own(environment: Environment) -> None:
    text = _refusal(environment, POOL_SIZE="0", FLOWER_PORT="70000", LOG_LEVEL="loud")
    assert text.splitlines() == [
        "BALANCE_FLOWER_PORT is '70000'; allowed is a whole number from 1 to 65535.",
        "BALANCE_POOL_SIZE is '0'; allowed is a whole number from 1 to 100.",
        "BALANCE_LOG_LEVEL is 'loud'; allowed is one of debug, info, warning, error.",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BROKER_URL", "http://user:hunter2@host"),
        ("BROKER_URL", "user:hunter2@host"),
        ("BROKER_URL", "redis://:hunter2/@/x"),
        ("DATABASE_URL", "mysql://user:hun:ter2hunter2@host/x"),
        ("FLOWER_BASIC_AUTH", "hunter2"),
    ],
)
def test_a_refusal_never_shows_a_password(environment: Environment, name: str, value: str) -> None:
    assert "hunter2" not in _refusal(environment, **{name: value})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"IO_QUEUE": "balance"}, "BALANCE_IO_QUEUE must differ from BALANCE_QUEUE."),
        ({"STATEMENT_TIMEOUT_MS": "5000"}, "BALANCE_LOCK_TIMEOUT_MS must be less than BALANCE_STATEMENT_TIMEOUT_MS."),
        ({"RETRY_BASE_S": "6"}, "BALANCE_RETRY_BASE_S must not exceed BALANCE_RETRY_CAP_S."),
        (
            {"VISIBILITY_TIMEOUT_S": "9", "BROKER_SOCKET_TIMEOUT_S": "5"},
            "BALANCE_VISIBILITY_TIMEOUT_S must be at least twice BALANCE_LOCK_TIMEOUT_MS.",
        ),
        (
            {"REDIS_TRANSPORT": "stock"},
            "BALANCE_VISIBILITY_TIMEOUT_S must exceed BALANCE_STATEMENT_TIMEOUT_MS and BALANCE_RETRY_CAP_S together "
            "when BALANCE_REDIS_TRANSPORT is stock.",
        ),
        (
            {"VISIBILITY_TIMEOUT_S": "60", "BROKER_SOCKET_TIMEOUT_S": "60"},
            "BALANCE_VISIBILITY_TIMEOUT_S must exceed BALANCE_BROKER_SOCKET_TIMEOUT_S.",
        ),
        (
            {"WEBHOOK_KEY": "guessable"},
            "BALANCE_WEBHOOK_KEY and BALANCE_WEBHOOK_KEY_FORMER must have at least 24 characters.",
        ),
        ({"WEBHOOK_KEY_FORMER": "k" * 24}, "BALANCE_WEBHOOK_KEY_FORMER needs BALANCE_WEBHOOK_KEY."),
        (
            {"WEBHOOK_RETRY_CAP_S": "4"},
            "BALANCE_WEBHOOK_RETRY_BASE_S must not exceed BALANCE_WEBHOOK_RETRY_CAP_S.",
        ),
        ({"RESULT_URL": "rpc://"}, "BALANCE_RESULT_URL can be rpc:// only when BALANCE_BROKER_URL is RabbitMQ."),
        (
            {"FLOWER_ADDRESS": "0.0.0.0"},
            "BALANCE_FLOWER_BASIC_AUTH must be set when BALANCE_FLOWER_ADDRESS is not this machine's loopback.",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(
    environment: Environment, values: dict[str, str], sentence: str
) -> None:
    assert _refusal(environment, **values) == sentence


def test_a_misspelt_name_is_refused_and_a_strange_one_is_not(environment: Environment) -> None:
    environment.setenv("BALANCE_SERVICE_HOST", "10.0.0.1")  # what Kubernetes sets for a service named "balance"
    environment.setenv("BALANCE_PORT_5432_TCP", "tcp://10.0.0.1:5432")
    environment.setenv("BALANCE_TEST_RABBITMQ_URL", "amqp://h")
    load_settings()
    load_settings.cache_clear()
    text = _refusal(environment, BROKER_URI="redis://h")
    assert text == "BALANCE_BROKER_URI is no setting; did you mean BALANCE_BROKER_URL?"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:pw@h:1/0", "redis://:***@h:1/0"),
        ("amqp://guest:guest@h//", "amqp://guest:***@h//"),
        ("postgresql+psycopg://u:p@ss/w:x@h/db", "postgresql+psycopg://u:***@h/db"),
        ("amqp://a:b@h;amqp://c:d@i", "amqp://a:***@h;amqp://c:***@i"),
        ("postgresql://h/db?password=pw&sslmode=require", "postgresql://h/db?password=***&sslmode=require"),
        ("connect to redis://:pw@h failed", "connect to redis://:***@h failed"),
        ("user@h", "user@h"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown: str) -> None:
    assert mask_url(url) == shown
    assert repr(SecretUrl(url)) == repr(shown)


def test_neither_repr_nor_the_table_shows_a_password() -> None:
    settings = Settings.model_validate(
        {
            "broker_url": "redis://:hunter2@h/0",
            "database_url": "postgres://u:hunter2@h/db",
            "flower_basic_auth": "admin:hunter2",
            "webhook_key": "hunter2 and as much as it needs",
            "webhook_key_former": "hunter2 and as much as it needs",
        }
    )
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    assert "hunter2" not in repr(effective(settings))
    rows = {row.variable: row for row in effective(settings)}
    assert rows["BALANCE_BROKER_URL"].value == "redis://:***@h/0"
    assert rows["BALANCE_BROKER_URL"].source == "env"
    assert rows["BALANCE_FLOWER_BASIC_AUTH"].value == "***"
    assert rows["BALANCE_POOL_SIZE"].value == "2"
    assert rows["BALANCE_POOL_SIZE"].unit == "connections"
    assert rows["BALANCE_LOCK_TIMEOUT_MS"].unit == "ms"
    assert rows["BALANCE_RESULT_URL"].source == "default"


def test_a_child_gets_what_was_given_with_its_secrets_and_nothing_that_was_not(environment: Environment) -> None:
    environment.setenv("BALANCE_FLOWER_BASIC_AUTH", "admin:hunter2")
    settings = load_settings().model_copy(update={"broker_url": SecretUrl("redis://:pw@h/0")})
    assert given(settings) == {"BALANCE_FLOWER_BASIC_AUTH": "admin:hunter2", "BALANCE_BROKER_URL": "redis://:pw@h/0"}


def test_every_setting_says_what_it_means_and_what_is_allowed() -> None:
    for row in effective(Settings()):
        assert row.meaning.endswith("."), row.variable
    assert settings_markdown().count("\n| `BALANCE_") == len(Settings.model_fields)


def test_the_page_on_settings_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text() == settings_markdown(), "run `balance-worker config --markdown > docs/settings.md`"
