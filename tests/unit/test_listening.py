"""What a process answers over HTTP, and to whom it does not."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from time import monotonic
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from structlog.testing import capture_logs

from worker.listening.of_beat import BeatSigns
from worker.listening.process import ProcessAnswers
from worker.listening.server import Listener
from worker.local.ports import free_port
from worker.metrics.process_metrics import ProcessMetrics
from worker.observability.health import SILENT_MAX_S, Trouble, Word
from worker.settings.settings import Settings

Say = list[Word | None]
HELD = Trouble("held", "jobs are held: postgresql://u:secret@db", "mend it")


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Status, content type, body."""
    try:
        with urlopen(Request(f"http://127.0.0.1:{port}{path}", method=method), timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def settings(port: int) -> Settings:
    return Settings.model_validate({"metrics_port": port})


@pytest.fixture
def said() -> Say:
    return [None]


@pytest.fixture
def listener(said: Say) -> Iterator[Listener]:
    found = ProcessAnswers(ProcessMetrics(), lambda: said[0]).listen(settings(free_port()))
    assert found is not None
    yield found
    found.stop()


def word(*troubles: Trouble, ago_s: float = 0) -> Word:
    return Word("money@here", 1, monotonic() - ago_s, troubles)


@pytest.mark.parametrize(
    ("last", "kinds"),
    [
        (None, {"process"}),
        (lambda: word(), set()),
        (lambda: word(HELD), {"held"}),
        (lambda: word(HELD, Trouble("database", "away", "bring it back")), {"held", "database"}),
        (lambda: word(ago_s=SILENT_MAX_S + 1), {"loop"}),
    ],
)
def test_it_is_ready_when_its_last_word_says_so(
    listener: Listener, said: Say, last: Callable[[], Word] | None, kinds: set[str]
) -> None:
    said[0] = None if last is None else last()  # now, and not when tests are collected
    status, kind, body = ask(listener.port, "/readyz")
    told = json.loads(body)
    assert (status, kind) == (503 if kinds else 200, "application/json")
    assert (told["status"], {*told["troubles"]}) == ("not ready" if kinds else "ready", kinds)
    assert all(told["troubles"].values()), "each says what to do"
    assert "secret" not in body
    _, _, metrics = ask(listener.port, "/metrics")
    assert f"balance_ready {0.0 if kinds else 1.0}" in metrics
    assert metrics.count("balance_trouble{") == len(kinds)
    assert ask(listener.port, "/healthz")[0] == 200, "it lives all the same"


def test_other_paths_and_methods(listener: Listener) -> None:
    status, kind, body = ask(listener.port, "/metrics?x=1")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert "balance_process_info{version=" in body
    assert ask(listener.port, "/healthz", "HEAD") == (200, "application/json", "")
    assert ask(listener.port, "/")[0] == 404
    assert ask(listener.port, "/metrics", "POST")[0] == 501


def test_who_says_nothing_keeps_no_other_from_an_answer(listener: Listener) -> None:
    silent = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(7)]
    assert ask(listener.port, "/healthz")[0] == 200
    for each in silent:
        each.close()


def test_no_more_than_a_few_are_let_in_at_once(listener: Listener) -> None:
    """Each of them has a thread."""
    with ExitStack() as held:
        silent = [held.enter_context(socket.create_connection(("127.0.0.1", listener.port))) for _ in range(9)]
        silent[-1].settimeout(10)
        assert silent[-1].recv(1) == b"", "it is closed"
        for each in silent[:-1]:
            each.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.recv(1)


def test_many_that_ask_at_the_same_time_are_all_answered(listener: Listener) -> None:
    """Two Prometheuses, an agent on each side and a probe may well do."""
    with ThreadPoolExecutor(50) as strangers:
        answers = [*strangers.map(lambda _: ask(listener.port, "/metrics")[0], range(100))]
    assert answers == [200] * 100


def test_a_port_that_is_taken_is_said_and_harms_nothing() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, capture_logs() as lines:
        port = taken.getsockname()[1]
        assert ProcessAnswers(ProcessMetrics(), lambda: None).listen(settings(port)) is None
    [line] = lines
    assert (line["event"], line["log_level"], line["port"]) == ("metrics.not_served", "error", port)


@pytest.fixture
def beat() -> Iterator[tuple[BeatSigns, int]]:
    port = free_port()
    signs = BeatSigns(settings(port))
    signs.listen()
    yield signs, port
    signs.close()


def test_beat_is_ready_while_the_broker_takes_its_ticks(beat: tuple[BeatSigns, int]) -> None:
    signs, port = beat

    def state() -> tuple[int, Any]:
        status, _, body = ask(port, "/readyz")
        return status, [*json.loads(body)["troubles"]]

    assert state() == (503, ["process"])
    assert "balance_beat_last_tick_seconds" not in ask(port, "/metrics")[2]
    signs.lives()
    assert state() == (503, ["process"]), "nothing is known of the broker yet"
    signs.took()
    assert state() == (200, [])
    assert "\nbalance_beat_last_tick_seconds " in ask(port, "/metrics")[2]
    signs.refused("redis://u:secret@b", "start it")
    signs.lives()
    assert state() == (503, ["broker"])
    signs.took()
    assert state() == (200, [])


def test_without_a_port_nobody_listens() -> None:
    signs = BeatSigns(Settings())
    signs.listen()
    signs.took()
    signs.close()
