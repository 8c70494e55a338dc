"""Jobs that were settled long ago, for tests that let time pass by moving it back.

A job's id begins with its time. What it asked stands in its day, in no day when it had none, and in the job's own row
when it is older than the table of bodies.
"""

from sqlalchemy import Engine, text

from tests.support.resealed import execute_resealed, reseal

# None of these has a key that would hold its column fast; who else knows jobs by their ids is not moved.
_KNOWN_BY = ("entries", "outbox", "records", "job_bodies")


def settle_in_own_rows(engine: Engine, ago: str, where: str = "true") -> None:
    """As jobs settled so long ago (an SQL interval), before there was a table of bodies. Their ids stay."""
    execute_resealed(
        engine,
        "with moved as (delete from job_bodies where job_id in"
        f" (select id from jobs where {where}) returning job_id, body)"
        f" update jobs j set settled_at = statement_timestamp() - interval '{ago}',"
        f" body = coalesce((select m.body from moved m where m.job_id = j.id), j.body) where {where}",
    )


def settle_earlier(engine: Engine, ago: str, where: str = "true", *, has_day: bool = True) -> None:
    """As jobs about users and apps settled so long ago, with ids of that time, on a day that has a partition or not."""
    moved = f"(clock_timestamp() - interval '{ago}')"
    with engine.begin() as connection:
        if has_day:
            day = f"cast({moved} at time zone 'UTC' as date)"
            connection.execute(text(f"select add_job_days({day}, {day})"))
        connection.execute(
            text(
                "create temporary table moved on commit drop as select id as was, settled_at as at, cast(left(cast("
                " first_job_id(settled_at) as text), 13) || right(cast(id as text), 23) as uuid) as id"
                f" from (select id, {moved} as settled_at from jobs where {where}) as old"
            )
        )
        connection.execute(
            text(
                "update jobs j set id = m.id, settled_at = m.at, outcome ="
                " cast(replace(cast(outcome as text), cast(m.was as text), cast(m.id as text)) as json)"
                " from moved m where m.was = j.id"
            )
        )
        for table in _KNOWN_BY:
            connection.execute(text(f"update {table} t set job_id = m.id from moved m where m.was = t.job_id"))
        reseal(connection)
