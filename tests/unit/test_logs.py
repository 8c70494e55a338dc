"""Log lines: one shape for all loggers, no passwords."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from worker.observability.log.configuring import configure_logging


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, events = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.configure(**events)


def _json_lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_and_the_librarys_have_one_shape() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    structlog.get_logger("balance").info("applied", job_id="j1", text="تم")
    logging.getLogger("celery.worker").warning("lost %s", "it")
    ours, theirs = _json_lines(stream)
    assert ours.items() >= {"event": "applied", "job_id": "j1", "text": "تم", "level": "info"}.items()
    assert theirs.items() >= {"event": "lost it", "logger": "celery.worker", "level": "warning"}.items()
    assert str(ours["timestamp"]).endswith("Z")
    assert "تم" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_passwords_are_masked_in_text_values_and_tracebacks(log_format: str) -> None:
    stream = io.StringIO()
    configure_logging("info", log_format, stream)  # type: ignore[arg-type]  # the parameter is one of the two
    log = structlog.get_logger("balance")
    log.info("at redis://:hunter2@h/0", url="amqp://u:hunter2@h//", password="hunter2")
    logging.getLogger("kombu").error("cannot reach %s", "amqp://u:hunter2@h//")
    try:
        raise ConnectionError("postgresql://u:hunter2@h/db")
    except ConnectionError:
        log.exception("away")
        logging.getLogger("sqlalchemy").exception("away too")
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("ConnectionError: postgresql://u:***@h/db") == 2


def test_the_level_holds_for_all_and_libraries_keep_their_details_to_themselves() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    structlog.get_logger("balance").debug("hidden")
    logging.getLogger("kombu").info("hidden")
    logging.getLogger("celery").info("shown")
    assert [line["event"] for line in _json_lines(stream)] == ["shown"]
    configure_logging("debug", "json", stream)
    logging.getLogger("kombu").debug("shown too")
    assert [line["event"] for line in _json_lines(stream)] == ["shown", "shown too"]


def test_what_the_driver_says_of_an_error_that_it_raises_is_not_said_twice() -> None:
    """It has no `next`; the error is said by who gets it, with one."""
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger("psycopg").warning("error ignored terminating <psycopg.Pipeline [BAD]>: the connection is closed")
    assert _json_lines(stream) == []
    configure_logging("debug", "json", stream)
    logging.getLogger("psycopg").warning("shown")
    assert [line["event"] for line in _json_lines(stream)] == ["shown"]


def test_the_last_call_counts() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging("info", "json", first)
    configure_logging("info", "console", second)
    structlog.get_logger("balance").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


_FORGED = "x\n2026-01-01 00:00:00 [info     ] jobs.settled  applied=1"
_TURNED = "a\u202eb\u2066c\x1b[2Jd\r\x85e\u2028f"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_text_of_a_stranger_begins_a_line_or_moves_the_cursor(log_format: str) -> None:
    stream = io.StringIO()
    configure_logging("info", log_format, stream)  # type: ignore[arg-type]  # the parameter is one of the two
    log = structlog.get_logger("balance")
    log.info(_FORGED)
    log.warning("message.parked", task=_FORGED, error=_TURNED, reasons={_FORGED: 1}, path=[_TURNED])
    logging.getLogger("celery").error("unknown task %s", _FORGED + _TURNED)
    try:
        raise ValueError(_FORGED + _TURNED)
    except ValueError:
        log.exception("failed")
    text = stream.getvalue()
    assert not any(line.startswith("2026-01-01") for line in text.splitlines())
    assert not {*text} & {*"\x1b\r\x85\u2028\u2029\u202e\u2066"}
    assert "\\u202e" in text, "it is shown what was there"
    if log_format == "json":
        assert _json_lines(stream)[0]["event"] == _FORGED
