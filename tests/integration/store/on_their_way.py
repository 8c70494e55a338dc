"""Events that wait for the broker and for an endpoint: for tests of tables."""

from sqlalchemy import Engine

from tests.support.builders import done, execute


def fill_events(engine: Engine) -> None:
    """An endpoint with one delivery, and one event that the broker has not taken; both in the outbox too."""
    endpoint = done(engine, "webhooks.add", name="crm", url="https://crm.example")["response"]["id"]
    execute(engine, f"insert into webhook_queues values ('{endpoint}', 1, now(), 0)")
    said = "type, job_id, letter_id, account_id, seq, data"
    execute(
        engine,
        f"insert into webhook_deliveries (endpoint_id, id, queue, {said}, status, attempts, queued_at)"
        f" select '{endpoint}', id, 1, {said}, 'waiting', 0, now() from outbox order by id limit 1",
    )
    execute(
        engine,
        f"insert into stream_backlog (lane, id, {said}) select lane, id, {said} from outbox order by id limit 1",
    )
