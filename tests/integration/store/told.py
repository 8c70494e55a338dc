"""Events that leave by every way there is, for tests that need each statement of theirs once."""

from __future__ import annotations

from uuid import UUID

from models.domain.webhooks.endpoints import DeliveryStatus
from models.store.connection.session import transaction
from models.store.write.events import deliveries
from tasks.apply.retries import RetryingApplier
from tasks.events.delivering import Deliverer, DeliveryPolicy
from tasks.events.relay import Relay
from tasks.scheduled import prune as housekeeping
from tests.integration.events.doubles import FAILED, OK, Sender, Stream
from tests.support.builders import WEBHOOK_KEYS, done


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def tell_everybody(applier: RetryingApplier) -> None:
    """A stream that is down and comes back, and an endpoint that fails, is sent all of it again, and is removed."""
    engine, stream, clock = applier.engine, Stream(), _Clock()
    relay = Relay(applier, stream, clock=clock)
    while relay.run():
        pass  # what there is by now, with nobody listening
    endpoint_id = done(engine, "webhooks.add", name="a", url="https://a.example/")["response"]["id"]
    done(engine, "users.upsert", user_id=9)
    for up in (False, True):
        stream.up, clock.now = up, clock.now + 60.0
        done(engine, "users.update_balance", user_id=9, amount_kopeks=1)
        while relay.run():
            pass
        relay.run()  # with the stream known to be down
    sender = Sender(lambda _request: FAILED)
    Deliverer(applier, sender, WEBHOOK_KEYS, lambda: 0.5, DeliveryPolicy(base_s=0.001)).run()
    sender.reply = lambda _request: OK
    done(engine, "webhooks.enable", endpoint_id=endpoint_id)
    done(engine, "webhooks.update", endpoint_id=endpoint_id, name="b", kinds=["user"])  # which tries it anew
    while not Deliverer(applier, sender, WEBHOOK_KEYS, lambda: 0.5).run():
        pass
    with transaction(engine) as connection:
        assert deliveries.replay(connection, UUID(endpoint_id), [DeliveryStatus.DELIVERED], None, None) == 2
    done(engine, "webhooks.remove", endpoint_id=endpoint_id)
    assert housekeeping.prune_deliveries(applier, 0, 10) == 2
