"""Deliveries of webhooks: at least once, in the order of each account, for as long as they are tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from models.domain.webhooks.endpoints import DeliveryStatus
from models.store.connection.session import transaction
from models.store.write.events import deliveries
from models.store.write.events.deliveries import Attempt, Sent
from tasks.events.delivering import Deliverer, DeliveryPolicy
from tasks.events.sender import Receipt, WebhookRequest
from tests.integration.events.doubles import FAILED, GONE, OK, Sender
from tests.integration.events.endpoints import add
from tests.integration.events.test_relay import relay, run
from tests.support.builders import LIMITS, WEBHOOK_KEYS, applier, ask, execute, job, rows, settle
from tests.support.ledgers import time_before

POLICY = DeliveryPolicy(base_s=0.0)  # a pause is over at once


def deliverer(engine: Engine, sender: Sender, policy: DeliveryPolicy = POLICY) -> Deliverer:
    return Deliverer(applier(engine, LIMITS), sender, WEBHOOK_KEYS, lambda: 0.5, policy)


def tell(engine: Engine, *users: int, times: int = 1) -> None:
    """Events of these users, queued for the endpoints that there are."""
    settle(engine, *(job("users.upsert", user_id=user) for user in users))
    for _ in range(times):
        settle(engine, *(job("users.update_balance", user_id=user, amount_kopeks=1) for user in users))
    run(relay(engine, None))


def statuses(engine: Engine) -> dict[str, int]:
    found = rows(engine, "select status, count(*) as count from webhook_deliveries group by status")
    return {row["status"]: row["count"] for row in found}


def endpoint(engine: Engine, endpoint_id: str) -> dict[str, Any]:
    [found] = rows(engine, "select * from webhook_endpoints where id = :id", id=UUID(endpoint_id))
    return dict(found)


def make_due(engine: Engine) -> None:
    execute(engine, "update webhook_queues set due_at = now()")
    execute(engine, "update webhook_endpoints set open_at = null")


def test_what_is_delivered_is_told_in_the_order_of_each_account(engine: Engine) -> None:
    add(engine)
    tell(engine, 1, 2, 3, times=12)
    sender = Sender()
    assert deliverer(engine, sender).run() == 36
    for user in (1, 2, 3):
        assert [event["seq"] for event in sender.events if event["account"] == f"user:{user}"] == [*range(1, 13)]
    assert statuses(engine) == {"delivered": 36}
    assert rows(engine, "select * from webhook_queues") == []


def test_an_event_that_fails_is_sent_again_before_the_later_ones_of_its_account_and_holds_up_no_other(
    engine: Engine,
) -> None:
    add(engine)
    tell(engine, 1, 2, times=3)
    failing = 2
    first = True

    def reply(request: WebhookRequest) -> Receipt:
        nonlocal failing
        if first and request.body.find(b'"account":"user:1"') > 0 and failing:
            failing -= 1
            return FAILED
        return OK

    sender = Sender(reply)
    assert deliverer(engine, sender).run() == 6
    of_one = [(event["seq"]) for event in sender.events if event["account"] == "user:1"]
    assert of_one == [1, 1, 1, 2, 3]
    ids = [event["id"] for event in sender.events if event["account"] == "user:1"]
    assert len({*ids[:3]}) == 1, "the same id however often it is sent"
    [row] = rows(engine, "select max(attempts) as attempts from webhook_deliveries")
    assert row["attempts"] == 3


def test_pauses_grow_and_a_receiver_that_names_one_gets_it(engine: Engine) -> None:
    add(engine)
    tell(engine, 1)
    sender = Sender(lambda _request: replace(FAILED, retry_after_s=500.0))
    policy = DeliveryPolicy(base_s=8.0, cap_s=1_000.0)
    assert deliverer(engine, sender, policy).run() == 0
    assert _pause(engine) == 500
    sender.reply = lambda _request: FAILED
    for expected in (12, 24, 48):  # three quarters of 16, 32, 64: the random number is the middle one
        make_due(engine)
        deliverer(engine, sender, policy).run()
        assert _pause(engine) == expected
    assert len(sender.sent) == 4


def _pause(engine: Engine) -> int:
    [row] = rows(engine, "select extract(epoch from due_at - clock_timestamp()) as left from webhook_queues")
    return round(float(row["left"]))


def test_a_delivery_is_exhausted_in_the_end_and_the_next_one_is_tried(engine: Engine) -> None:
    add(engine)
    tell(engine, 1, times=2)
    sender = Sender(lambda request: FAILED if b'"seq":1' in request.body else OK)
    policy = DeliveryPolicy(base_s=1_000.0)
    deliverer(engine, sender, policy).run()
    execute(
        engine,
        f"update webhook_deliveries set first_at = {time_before('first_at', '24 hours')} where first_at is not null",
    )
    make_due(engine)
    assert deliverer(engine, sender, policy).run() == 2
    assert statuses(engine) == {"exhausted": 1, "delivered": 1}
    [row] = rows(engine, "select code, answer, attempts from webhook_deliveries where status = 'exhausted'")
    assert (row["code"], row["answer"], row["attempts"]) == ("http_500", "no", 2)


def test_an_endpoint_that_fails_again_and_again_is_tried_with_one_now_and_then(engine: Engine) -> None:
    endpoint_id = add(engine)
    tell(engine, *range(1, 21))
    sender = Sender(lambda _request: FAILED)
    policy = DeliveryPolicy(concurrency=20, base_s=0.0)
    deliverer(engine, sender, policy).run()
    assert endpoint(engine, endpoint_id)["open_at"] is not None
    before = len(sender.sent)
    assert before == 5, "a quarter of what may be under way, and then it is left alone"
    execute(engine, "update webhook_endpoints set open_at = now()")
    deliverer(engine, sender, policy).run()
    assert len(sender.sent) == before + 1
    execute(engine, "update webhook_endpoints set open_at = now()")
    sender.reply = lambda _request: OK
    assert deliverer(engine, sender, policy).run() == 20
    row = endpoint(engine, endpoint_id)
    assert (row["failures"], row["failing_since"], row["open_at"]) == (0, None, None)


def test_an_endpoint_that_fails_keeps_no_other_waiting(engine: Engine) -> None:
    add(engine, "https://bad.example/")
    add(engine, "https://good.example/")
    tell(engine, *range(1, 41))
    sender = Sender(lambda request: FAILED if "bad" in request.url else OK)
    assert deliverer(engine, sender, DeliveryPolicy(base_s=1.0)).run() == 40


def test_an_endpoint_that_is_gone_is_disabled_with_an_event_and_what_waits_is_kept(engine: Engine) -> None:
    gone, other = add(engine, "https://gone.example/"), add(engine, "https://other.example/")
    tell(engine, 1, times=2)
    sender = Sender(lambda request: GONE if "gone" in request.url else OK)
    deliverer(engine, sender).run()
    assert endpoint(engine, gone)["disabled"] == "gone"
    sender.sent.clear()
    run(relay(engine, None))
    deliverer(engine, sender).run()
    [event] = sender.events
    assert (event["type"], event["account"], event["producer"]) == ("webhook.disabled", None, "balance-worker")
    assert event["data"]["endpoint"]["id"] == gone
    assert event["data"]["endpoint"]["disabled_for"] == "gone"
    assert [request.url for request in sender.sent] == ["https://other.example/"]
    assert statuses(engine) == {"waiting": 2, "delivered": 3}

    assert ask(engine, "webhooks.enable", endpoint_id=gone)["code"] == "applied"
    sender.reply = lambda _request: OK
    make_due(engine)
    assert deliverer(engine, sender).run() == 2
    assert other != gone


def test_an_endpoint_without_a_success_for_days_is_disabled(engine: Engine) -> None:
    endpoint_id = add(engine)
    tell(engine, 1)
    sender = Sender(lambda _request: FAILED)
    deliverer(engine, sender, DeliveryPolicy(base_s=1_000.0)).run()
    assert endpoint(engine, endpoint_id)["disabled"] is None
    execute(
        engine,
        f"update webhook_endpoints set failing_since = {time_before('failing_since', '5 days')}",
    )
    make_due(engine)
    deliverer(engine, sender, DeliveryPolicy(base_s=1_000.0)).run()
    assert endpoint(engine, endpoint_id)["disabled"] == "failing"


def test_who_dies_after_sending_leaves_it_to_the_next_one_who_sends_it_again(engine: Engine) -> None:
    add(engine)
    tell(engine, 1)
    with transaction(engine) as connection:
        [mine] = deliveries.claim(connection, most=9, each=9, ahead=5, busy={}, claim_s=60, broken=5)
    sender = Sender()
    assert deliverer(engine, sender).run() == 0, "it is claimed"
    make_due(engine)  # the claim has run out
    assert deliverer(engine, sender).run() == 1
    assert [request.event_id for request in sender.sent] == [mine.waiting[0].message.id]


def test_who_comes_back_after_his_claim_ran_out_changes_nothing_but_that_it_was_delivered(engine: Engine) -> None:
    add(engine)
    tell(engine, 1, times=2)
    with transaction(engine) as connection:
        [late] = deliveries.claim(connection, most=9, each=9, ahead=5, busy={}, claim_s=60, broken=5)
    make_due(engine)
    with transaction(engine) as connection:
        [holder] = deliveries.claim(connection, most=9, each=9, ahead=5, busy={}, claim_s=60, broken=5)
    first, second = (each.id for each in late.waiting)
    with transaction(engine) as connection:
        delivered = Attempt(first, DeliveryStatus.DELIVERED, "http_200", None)
        given_up = Attempt(second, DeliveryStatus.EXHAUSTED, "timed_out", None)
        assert deliveries.settle(connection, [Sent(late, (delivered, given_up))]) == set()
    assert statuses(engine) == {"delivered": 1, "waiting": 1}
    with transaction(engine) as connection:
        both = tuple(Attempt(each, DeliveryStatus.DELIVERED, "http_200", None) for each in (first, second))
        assert deliveries.settle(connection, [Sent(holder, both)])
    assert statuses(engine) == {"delivered": 2}


def test_an_event_that_is_queued_while_the_last_one_is_noted_is_not_forgotten(engine: Engine) -> None:
    add(engine)
    tell(engine, 1)
    with transaction(engine) as connection:
        [mine] = deliveries.claim(connection, most=9, each=9, ahead=5, busy={}, claim_s=60, broken=5)
    settle(engine, job("users.update_balance", user_id=1, amount_kopeks=1))
    run(relay(engine, None))  # after it was read what there is to send, before it is noted
    done = Attempt(mine.waiting[0].id, DeliveryStatus.DELIVERED, "http_200", None)
    with transaction(engine) as connection:
        deliveries.settle(connection, [Sent(mine, (done,))])
    assert deliverer(engine, Sender()).run() == 1


def test_filters_by_type_and_kind(engine: Engine) -> None:
    add(engine, "https://wallets.example/", kinds=["wallet"])
    add(engine, "https://refusals.example/", types=["job.rejected"])
    settle(engine, job("users.upsert", user_id=1), job("users.update_balance", user_id=1, amount_kopeks=5))
    settle(
        engine,
        job("wallets.create", wallet_id="w", currency="USD"),
        job("wallets.top_up", wallet_id="none", credits_to_add=1),
    )
    run(relay(engine, None))
    sender = Sender()
    deliverer(engine, sender).run()
    told = {(request.url, event["type"]) for request, event in zip(sender.sent, sender.events, strict=True)}
    assert told == {("https://wallets.example/", "wallet.updated"), ("https://refusals.example/", "job.rejected")}


def test_both_secrets_sign_while_the_former_one_is_good(engine: Engine) -> None:
    endpoint_id = add(engine)
    tell(engine, 1)
    sender = Sender()
    deliverer(engine, sender).run()
    ask(engine, "webhooks.rotate_secret", endpoint_id=endpoint_id)
    tell(engine, 1)
    deliverer(engine, sender).run()
    execute(engine, "update webhook_endpoints set former_until = now()")
    tell(engine, 1)
    deliverer(engine, sender).run()
    (first,), (second, former), (last,) = (request.keys for request in sender.sent)
    assert first == former != second == last


def test_without_the_key_of_its_secret_nothing_is_sent_and_nothing_is_lost(engine: Engine) -> None:
    add(engine)
    tell(engine, 1)
    sender = Sender()
    keyless = Deliverer(
        applier(engine, LIMITS), sender, type(WEBHOOK_KEYS)((b"another key, of some length too",)), lambda: 0.5
    )
    keyless.run()
    assert sender.sent == []
    assert statuses(engine) == {"waiting": 1}
    make_due(engine)
    assert deliverer(engine, sender).run() == 1


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(engine: Engine) -> None:
    add(engine)
    tell(engine, 1, 2)
    sender = Sender(lambda request: OK if b'"user:1"' in request.body else FAILED)
    deliverer(engine, sender, DeliveryPolicy(base_s=1_000.0)).run()
    execute(
        engine,
        f"update webhook_deliveries set ended_at = {time_before('ended_at', '8 days')} where ended_at is not null",
    )
    with transaction(engine) as connection:
        assert deliveries.prune(connection, 7, 100) == 1
    assert statuses(engine) == {"waiting": 1}


def test_what_has_ended_is_sent_again_when_somebody_asks_for_it(engine: Engine) -> None:
    endpoint_id = add(engine)
    tell(engine, 1, times=3)
    sender = Sender()
    deliverer(engine, sender).run()
    with transaction(engine) as connection:
        both = [DeliveryStatus.DELIVERED, DeliveryStatus.EXHAUSTED]
        assert deliveries.replay(connection, UUID(endpoint_id), both, None, None) == 3
    assert deliverer(engine, sender).run() == 3
    ids = [request.event_id for request in sender.sent]
    assert ids[:3] == ids[3:]


def test_an_endpoint_that_is_removed_is_sent_nothing_any_more(engine: Engine) -> None:
    endpoint_id = add(engine)
    tell(engine, 1, 2)
    assert ask(engine, "webhooks.remove", endpoint_id=endpoint_id)["response"]["status"] == "removed"
    sender = Sender()
    assert deliverer(engine, sender).run() == 0
    tell(engine, 1)
    deliverer(engine, sender).run()
    assert sender.sent == []
    assert statuses(engine) == {"dropped": 2}
    assert ask(engine, "webhooks.enable", endpoint_id=endpoint_id)["code"] == "endpoint_not_found"
