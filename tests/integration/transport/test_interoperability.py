"""The keys and the wire format are the stock transport's: either end may be stock."""

import json
from typing import Any

import kombu
import pytest

from tests.integration.transport.brokers import Broker, Consumption, Kind, abandon, consuming, queue, wait_until

_PAIRS: list[tuple[Kind, Kind]] = [("stock", "atomic"), ("atomic", "stock"), ("atomic", "atomic")]


@pytest.mark.parametrize(("producer", "consumer"), _PAIRS)
def test_a_message_arrives_as_it_was_sent(broker: Broker, producer: Kind, consumer: Kind) -> None:
    headers = {"id": "7", "task": "t", "number": 2**63 + 1, "text": "ж\udc80", "deep": {"list": [None, True, 1.5]}}
    broker.publish("ж" * 100, kind=producer, headers=headers, priority=3, correlation_id="c", reply_to="r")
    with consuming(broker, kind=consumer) as one:
        assert one.drain(1) == ["ж" * 100]
        message = one.messages[0]
        assert message.headers == headers
        assert message.properties["correlation_id"] == "c"
        assert message.properties["priority"] == 3
        assert message.delivery_info == {"exchange": "", "routing_key": "jobs"}
        assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
        message.ack()
    assert broker.names() == set()


def test_a_record_has_kombus_form_and_names_the_queue_it_came_from(broker: Broker) -> None:
    broker.publish("one", priority=6)
    sent = broker.raw("jobs\x06\x166")
    with consuming(broker) as one:
        one.drain(1)
        [record] = broker.client.hvals(f"{broker.prefix}unacked")
        message, exchange, routing_key = json.loads(record)
        assert (message, exchange, routing_key) == (json.loads(sent[0]), "", "jobs")
        abandon(one)


@pytest.mark.parametrize(("taker", "restorer"), _PAIRS)
def test_either_restores_what_the_other_has_taken(broker: Broker, taker: Kind, restorer: Kind) -> None:
    broker.publish(*range(5))
    with consuming(broker, kind=taker) as one:
        one.drain(5)
        abandon(one)
    assert broker.unacked() == [0, 1, 2, 3, 4]
    with broker.connect(restorer, visibility_timeout=0) as connection:
        connection.channel().qos.restore_visible(num=None, interval=1)
    assert broker.unacked() == []
    assert broker.waiting() == [0, 1, 2, 3, 4]
    assert all(json.loads(entry)["headers"]["redelivered"] for entry in broker.raw())
    with consuming(broker, kind=restorer) as one:
        assert one.drain(5) == [0, 1, 2, 3, 4]
        assert one.messages[0].delivery_info["redelivered"] is True
        one.ack()
    assert broker.names() <= {"unacked_mutex"}


def test_both_consume_one_queue_and_each_message_comes_once(broker: Broker) -> None:
    with consuming(broker, kind="stock", prefetch=1) as stock, consuming(broker, prefetch=3) as atomic:
        for number in range(30):
            broker.publish(number)
            if number % 3 == 2:
                for one in (stock, atomic):
                    one.turn()
                    one.ack()
        while len(stock.bodies) + len(atomic.bodies) < 30:
            for one in (stock, atomic):
                one.turn()
                one.ack()
    assert sorted(stock.bodies + atomic.bodies) == list(range(30))
    assert broker.names() == set()


def test_named_exchanges_fanout_and_replies_work(broker: Broker) -> None:
    """What remote control and events are made of: fanout, and a reply queue that is read without acknowledging."""
    got: list[Any] = []
    fanout = kombu.Queue("", kombu.Exchange("news", type="fanout"), exclusive=True, auto_delete=True)
    direct = kombu.Queue("named", kombu.Exchange("named", type="direct"), routing_key="n")
    with broker.connect() as connection:
        channel = connection.channel()
        queues = [fanout(channel), direct]
        kombu.Consumer(channel, queues, callbacks=[lambda body, _: got.append(body)], no_ack=True).consume()
        one = Consumption(connection, channel)
        one.turn()  # subscribes; what is published before that is not news
        with broker.connect("stock") as other, other.Producer() as producer:
            producer.publish("named", exchange=direct.exchange, routing_key="n", declare=[direct.exchange])
            producer.publish("news", exchange=fanout.exchange, declare=[fanout.exchange])
        wait_until(lambda: one.turn() and len(got) == 2, "both arrive")
        assert set(got) == {"news", "named"}
        one.turn()
    assert "unacked" not in broker.names()


def test_fetching_one_message_records_it_too(broker: Broker) -> None:
    broker.publish(1, 2, 3)
    with broker.connect() as connection:
        channel = connection.channel()
        bound: Any = queue("jobs")(channel)
        first = bound.get(accept=["json"])
        assert first.payload == {"job": 1}
        assert broker.unacked() == [1]
        first.ack()
        assert broker.unacked() == []
        assert bound.get(no_ack=True).payload == {"job": 2}
        assert broker.unacked() == []
        third = bound.get(accept=["json"])
        third.requeue()
        assert broker.waiting() == [3]
        assert queue("empty")(channel).get() is None
