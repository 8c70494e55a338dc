"""What a publisher linked to a job: what can be carried out is, and all else is told before anything is applied."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from kombu.utils import json as kombu_json

from models.contracts.message import Malformed
from worker.publishers.callbacks import NO_LINKS, Links

_MONEY_QUEUES = frozenset({"balance", "balance.0"})
_OWN_QUEUES = _MONEY_QUEUES | {"balance.io"}


def _links(embed: Any) -> Links:
    return Links.of(embed, _MONEY_QUEUES, _OWN_QUEUES)


class _Publisher(Celery):
    """A service's own app, which keeps what it publishes."""

    def producer_or_acquire(self, producer: Any = None) -> Any:
        return nullcontext(self)

    def embeds(self, canvas: Any) -> list[dict[str, Any]]:
        """Celery's part of the body of each message that publishing this makes."""
        self.sent: list[dict[str, Any]] = []
        canvas.apply_async()
        return self.sent

    @property
    def connection(self) -> Any:
        return self

    def _reraise_as_library_errors(self) -> Any:
        return nullcontext()

    def publish(self, body: Any, **_: Any) -> None:
        self.sent.append(json.loads(kombu_json.dumps(body[2])))


_APP = _Publisher("shop", broker="memory://", backend="cache+memory://", set_as_current=False)


def _task(name: str, queue: str | None = "shop", **options: Any) -> Any:
    return _APP.signature(name, options={**({"queue": queue} if queue else {}), **options})


def _job() -> Any:
    return _task("wallets.top_up", "balance")


def _sent(links: Links) -> list[tuple[str, str]]:
    return [(each.queue, each.task) for each in links.after_outcome("id", "root", {"status": "applied"})]


@pytest.mark.parametrize(
    ("canvas", "sent"),
    [
        (_job().clone(link_error=_task("e")), []),
        (_job().clone(link=_task("a")), [("shop", "a")]),
        (_job().clone(link=[_task("a"), _task("b", "other")]), [("shop", "a"), ("other", "b")]),
        (_job().clone(link=group(_task("a"), _task("b", "other"))), [("shop", "a"), ("other", "b")]),
        (_job().clone(link=chain(_task("a"), _task("b"))), [("shop", "a")]),
        (_job().clone(link=_job()), [("balance", "wallets.top_up")]),
        (chain(_job(), _task("a"), _task("b")), [("shop", "a")]),
        (chain(_job(), group(_task("a"), _task("b", "other"))), [("shop", "a"), ("other", "b")]),
        (chain(_job(), group(chain(_task("a"), _task("b")), _task("c"))), [("shop", "a"), ("shop", "c")]),
        # What comes after the next link is the publisher's own workers' to carry out.
        (chain(_job(), _task("a"), chord([_task("b"), _task("c")], _task("d"))), [("shop", "a")]),
        (group(_job(), _job()), []),
        (chain(group(_job(), _job())), []),
    ],
)  # fmt: skip
def test_what_is_linked_is_sent_straight_to_the_queue_that_it_names(canvas: Any, sent: list[tuple[str, str]]) -> None:
    for embed in _APP.embeds(canvas):
        assert _sent(_links(embed)) == sent


def test_a_follow_up_is_the_message_that_any_celery_worker_would_send() -> None:
    after = _task("a", task_id="chosen", priority=3).clone(args=(5,), kwargs={"x": 1})
    (embed,) = _APP.embeds(chain(_job(), after, _task("b")))
    (sent,) = _links(embed).after_outcome("id", "root", {"balance_after": 12345678901234567890})
    args, kwargs, links = json.loads(sent.message.body)
    assert args == [{"balance_after": 12345678901234567890}, 5]
    assert kwargs == {"x": 1}
    assert [link["task"] for link in links["chain"]] == ["b"]
    headers = sent.message.headers
    assert (headers["task"], headers["id"], headers["parent_id"], headers["root_id"]) == ("a", "chosen", "id", "root")
    assert sent.message.properties["correlation_id"] == "chosen"
    assert sent.message.properties["priority"] == 3


def test_an_errback_gets_the_task_id_of_what_was_parked() -> None:
    (embed,) = _APP.embeds(_job().clone(link_error=_task("e", "errors")))
    links = _links(embed)
    assert _sent(links) == []
    (sent,) = links.after_parking("id", "root")
    assert (sent.queue, json.loads(sent.message.body)[0]) == ("errors", ["id"])


@pytest.mark.parametrize(
    "canvas",
    [
        chord([_job(), _job()], _task("a")),
        chain(group(_job(), _job()), _task("a")),
        chain(_job(), group(_task("a"), _task("b")), _task("c")),
        chain(_job(), chord([_task("a"), _task("b")], _task("c"))),
        _job().clone(link=chord([_task("a"), _task("b")], _task("c"))),
    ],
)
def test_chords_are_told_before_anything_is_applied(canvas: Any) -> None:
    for embed in _APP.embeds(canvas):
        with pytest.raises(Malformed, match="chords are not carried out here") as told:
            _links(embed)
        assert told.value.reason == "chord"


@pytest.mark.parametrize(
    ("embed", "says"),
    [
        ({"callbacks": [_task("a", None)]}, "a names no queue"),
        ({"errbacks": [_task("a", None)]}, "a names no queue"),
        ({"chain": [_task("later"), _task("a", None)]}, "a names no queue"),
        ({"callbacks": [group(_task("a"), _task("b", None))]}, "b names no queue"),
        ({"callbacks": [_task("a", "balance")]}, "a is no money job"),
        ({"callbacks": [_task("a", "balance.0")]}, "a is no money job"),
        ({"callbacks": [_task("a", "balance.io")]}, "nothing is sent to balance.io for anybody"),
        ({"errbacks": [_task("users.upsert", "balance.io")]}, "nothing is sent to balance.io for anybody"),
        ({"chain": [_task("a", "money@host.celery.pidbox")]}, "nothing is sent to money@host.celery.pidbox"),
        ({"callbacks": [_task("a", "celeryev.5f04")]}, "nothing is sent to celeryev.5f04"),
        ({"callbacks": [_task("a", reply_to="balance")]}, "nothing is sent to balance for anybody"),
        ({"callbacks": [_task("a", "balance\x06\x163")]}, "cannot be sent"),  # the list of another priority, in Redis
        ({"callbacks": [_task("a", None, exchange="x", routing_key="y")]}, "exchange 'x'"),
        ({"callbacks": [_task("a", None, exchange="", exchange_type="fanout", routing_key="y")]}, "a names no queue"),
        ({"callbacks": "a"}, "callbacks must be a list"),
        ({"chain": {"task": "a"}}, "chain must be a list"),
        ({"errbacks": [5]}, "errbacks must be a list"),
        ({"callbacks": [{}]}, "cannot be sent"),
        ({"callbacks": [{"task": 5}]}, "cannot be sent"),
        ({"callbacks": [{"task": "a", "args": 5, "options": {"queue": "q"}}]}, "cannot be sent"),
        ({"callbacks": [{"task": "a", "options": 5}]}, "cannot be sent"),
        ({"callbacks": [{"task": "a", "options": {"queue": ["q"]}}]}, "cannot be sent"),
        ({"callbacks": [{"task": "a", "options": {"queue": 5}}]}, "cannot be sent"),
        ({"callbacks": [{"task": "a", "options": {"queue": "q", "expires": "soon"}}]}, "cannot be sent"),
        ({"callbacks": [{"task": "a", "options": {"queue": "q", "task_id": 5}}]}, "cannot be sent"),
        ({"callbacks": [{"task": "a", "options": {"queue": "q" * 256}}]}, "cannot be sent"),
        ({"callbacks": [{"task": "a", "options": {"queue": "q", "priority": "high"}}]}, "cannot be sent"),
        ({"callbacks": [{"task": "a", "options": {"queue": "q", "headers": 5}}]}, "cannot be sent"),
        ({"callbacks": [{"task": "celery.group", "kwargs": {"tasks": 5}, "subtask_type": "group"}]}, "cannot be sent"),
        ({"callbacks": [{"task": "celery.chain", "kwargs": {}, "subtask_type": "chain"}]}, "cannot be sent"),
        ({"callbacks": [{"task": "a", "subtask_type": "no such"}]}, "cannot be sent"),
    ],
)  # fmt: skip
def test_links_that_could_not_be_sent_are_told_before_anything_is_applied(embed: Any, says: str) -> None:
    with pytest.raises(Malformed, match=says) as told:
        _links(json.loads(kombu_json.dumps(embed)))
    assert told.value.reason == "bad_links"


@pytest.mark.parametrize("embed", [{}, dict.fromkeys(("callbacks", "chain", "chord")), {"chain": []}])
def test_most_messages_have_no_links(embed: Any) -> None:
    assert _links(embed) == NO_LINKS
