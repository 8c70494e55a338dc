"""An endpoint that fails is left alone for a while, which doubles with each attempt."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine

from models.store.connection.session import transaction
from models.store.write.events import endpoints
from models.store.write.events.endpoints import Breaker
from tests.integration.events.endpoints import add
from tests.support.builders import execute, rows


def test_requests_that_fail_together_are_one_failure_to_the_pause(engine: Engine) -> None:
    """A receiver that restarts fails all that was under way, to several workers: it is not left alone for minutes."""
    endpoint_id, breaker = add(engine), Breaker()
    with transaction(engine) as connection:
        for _ in range(3):
            endpoints.failed(connection, {UUID(endpoint_id): 4}, breaker)
    pause = "select extract(epoch from open_at - clock_timestamp()) as pause_s from webhook_endpoints"
    [row] = rows(engine, pause)
    assert 0 < row["pause_s"] <= breaker.base_s
    for expected in (2, 4, 8):
        execute(engine, "update webhook_endpoints set open_at = now()")
        with transaction(engine) as connection:
            for _ in range(3):
                endpoints.failed(connection, {UUID(endpoint_id): 1}, breaker)
        [row] = rows(engine, pause)
        assert expected - 1 < float(row["pause_s"]) / breaker.base_s <= expected
