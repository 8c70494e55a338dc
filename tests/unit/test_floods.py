"""A warning that repeats itself does not fill the log: the whole kind of them, ours and those of libraries."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.unit.test_docs import _warnings
from worker.observability.log.configuring import configure_logging
from worker.observability.log.floods import EVERY_S, FIRST, Floods, LimitedHandler

MANY = 200
EVENTS = sorted(event for event in _warnings() if event != "log.flood")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> Iterator[io.StringIO]:
    """The log as workers have it, by a clock of its own."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level, events = root.handlers[:], root.level, structlog.get_config()
    configure_logging("info", "json", stream)
    [handler] = [each for each in root.handlers if isinstance(each, LimitedHandler)]
    handler._floods = Floods(clock)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.configure(**events)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("level", ["warning", "error"])
def test_no_warning_and_no_error_of_ours_can_flood_the_log(log: io.StringIO, clock: Clock, level: str) -> None:
    """Each event that there is in the code, with something new in each line: what strangers send is."""
    logger = structlog.get_logger("worker.anything")
    for event in EVENTS:
        for number in range(MANY):
            getattr(logger, level)(event, error=f"number {number}")
    written = lines(log)
    assert len(EVENTS) > 50
    assert len(written) == FIRST * len(EVENTS)
    clock.now += EVERY_S
    for event in EVENTS:
        getattr(logger, level)(event, error="after a minute")
    after = lines(log)[len(written) :]
    told = {each.get("of", each["event"]): each["unsaid"] for each in after if "unsaid" in each}
    assert told == dict.fromkeys(EVENTS, MANY - FIRST)


def test_then_there_is_one_a_minute(log: io.StringIO, clock: Clock) -> None:
    logger = structlog.get_logger("worker.anything")
    for _ in range(30 * 60):  # two a second for a quarter of an hour
        logger.warning("message.parked")
        clock.now += 0.5
    written = lines(log)
    assert FIRST + 14 <= len(written) <= FIRST + 15
    assert sum(1 + each.get("unsaid", 0) for each in written) >= 30 * 60 - 120


def test_libraries_are_known_by_their_text_without_what_is_filled_in(log: io.StringIO) -> None:
    for number in range(MANY):
        logging.getLogger("celery.worker").error("Cannot do %s", number)
        logging.getLogger("celery.worker").error("Cannot say %s", number)
    assert [each["event"] for each in lines(log)] == [f"Cannot {do} {n}" for n in range(FIRST) for do in ("do", "say")]


def test_what_was_left_out_is_told_when_the_flood_is_over(log: io.StringIO, clock: Clock) -> None:
    logger = structlog.get_logger("worker.anything")
    for name in ("one", "two"):
        for _ in range(MANY):
            logger.warning(f"{name}.event")
    clock.now += EVERY_S
    logger.info("something.else")
    logger.info("something.else")
    told = lines(log)[2 * FIRST :]
    floods = sorted((each["of"], each["unsaid"]) for each in told if each["event"] == "log.flood")
    assert floods == [("one.event", MANY - FIRST), ("two.event", MANY - FIRST)]
    assert len(told) == 4


def test_what_was_left_out_is_told_at_the_end(log: io.StringIO) -> None:
    for _ in range(MANY):
        structlog.get_logger("worker.anything").warning("an.event")
    [handler] = [each for each in logging.getLogger().handlers if isinstance(each, LimitedHandler)]
    handler.close()
    last = lines(log)[-1]
    assert (last["event"], last["of"], last["unsaid"]) == ("log.flood", "an.event", MANY - FIRST)


def test_information_is_not_limited(log: io.StringIO) -> None:
    for _ in range(MANY):
        structlog.get_logger("worker.anything").info("jobs.settled")
    assert len(lines(log)) == MANY


def test_events_that_nobody_has_thought_of_do_not_fill_memory(log: io.StringIO, clock: Clock) -> None:
    floods = Floods(clock)
    for number in range(5_000):
        floods.admit(f"text {number}")
    assert len(floods._events) <= 1_001
