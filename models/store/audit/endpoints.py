"""The audit of endpoints: each is as the last job about it was answered. Where events go is nobody else's to say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, text

from models.domain.evidence.finding import Finding

# Jobs about one endpoint wait for its row, so the later one has the later time; those of one transaction, the later id.
_WRONG: Final = text("""
    with told as (
        select distinct on (id) * from (
            select cast(outcome as jsonb) #>> '{response,id}' as id, cast(outcome as jsonb) -> 'response' as body,
                   settled_at, id as job
            from jobs where name like 'webhooks.%' and status = 'applied'
        ) as answers
        where id is not null order by id, settled_at desc, job desc
    ), there as (
        select cast(id as text) as id, e.name, url, disabled, removed, secret_version,
               encode(secret_key, 'hex') as secret_key, to_jsonb(types) as types, to_jsonb(kinds) as kinds
        from webhook_endpoints e
    )
    select coalesce(told.id, there.id) as id, case
        when told.id is null then 'no job added it'
        when there.id is null then 'it is not there, and job ' || told.job || ' was answered with it'
        else 'it is not as job ' || told.job || ' left it' end as problem
    from told full join there on there.id = told.id
    where told.id is null or there.id is null
       or (there.name, there.url, there.secret_version, there.secret_key, there.removed) is distinct from
          (body ->> 'name', body ->> 'url', cast(body ->> 'secret_version' as bigint), body ->> 'key_name',
           body ->> 'status' = 'removed')
       or there.disabled is distinct from body ->> 'disabled_for'
       or there.types is distinct from nullif(body -> 'types', 'null')
       or there.kinds is distinct from nullif(body -> 'kinds', 'null')
    order by 1
""")


def findings(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_WRONG):
        yield Finding(f"webhook:{row.id}", None, row.problem)
