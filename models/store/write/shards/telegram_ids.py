"""Telegram ids across shards: which shard's users may have one, said in the shard that the id itself leads to.

    telegram_ids     there: the bucket that an id was last claimed for, and the term of that claim, each a later one
    telegram_terms   in the shard of a claim: no transaction may give the id to a user by a claim of an earlier term

Whoever wants an id that another shard has claimed ends the term there first, and then looks whether a user has it: who
was about to get it has it by then, or will not get it any more. docs/decisions/0029.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, text

from models.domain.accounts import AccountKey
from models.domain.errors import KeyRace
from models.domain.sharding.place import bucket_of_telegram
from models.domain.sharding.shard import Shard
from models.store.connection.session import each_committed, transaction, wait_as_for_a_write
from models.store.write import profiles
from models.store.write.shards.elsewhere import ask, look_into

_END: Final = text("""
    insert into telegram_terms as known (telegram_id, term)
    select telegram_id, term from unnest(cast(:ids as bigint[]), cast(:terms as bigint[])) as ended (telegram_id, term)
    on conflict (telegram_id) do update set term = greatest(known.term, excluded.term)
""")
_HOLD: Final = text("""
    insert into telegram_terms as known (telegram_id, term)
    select telegram_id, term from unnest(cast(:ids as bigint[]), cast(:terms as bigint[])) as held (telegram_id, term)
    on conflict (telegram_id) do update set term = excluded.term where known.term <= excluded.term
    returning telegram_id
""")


class Claim(NamedTuple):
    telegram_id: int
    bucket: int
    term: int


def buckets_of(engine: Engine, shard: Shard, telegram_ids: Collection[int]) -> dict[int, int]:
    """The buckets that these ids were last claimed for. An id that is missing nobody has, in any shard."""
    return {claim.telegram_id: claim.bucket for claim in _known(engine, shard, telegram_ids)}


def claim(engine: Engine, shard: Shard, wanted: Mapping[int, int]) -> tuple[dict[int, int], dict[int, AccountKey]]:
    """Claims telegram ids for users in buckets of this shard: (terms of claims, users of other shards who have one).

    Raises KeyRace when somebody else claims one at the same time.
    """
    first = [Claim(telegram_id, bucket, 1) for telegram_id, bucket in wanted.items()]
    terms = {each.telegram_id: each.term for each in _ask(engine, shard, _insert, first)}
    known = _known(engine, shard, wanted.keys() - terms)
    own, others = (
        [each for each in known if shard.has(each.bucket)],
        [each for each in known if not shard.has(each.bucket)],
    )
    ended = _terms(engine, shard, [each.telegram_id for each in own])
    terms |= {each.telegram_id: each.term for each in own if ended.get(each.telegram_id, 0) <= each.term}
    again = {each: ended[each.telegram_id] + 1 for each in own if each.telegram_id not in terms}
    owners = _end(engine, shard, others)
    again |= {each: each.term + 1 for each in others if each.telegram_id not in owners}
    moved = _ask(engine, shard, _move, [*again], lambda each: (wanted[each.telegram_id], again[each]))
    if lost := {each.telegram_id for each in again} - {each.telegram_id for each in moved}:
        raise KeyRace(f"telegram ids {sorted(lost)} were claimed by another shard at this moment")
    return terms | {each.telegram_id: each.term for each in moved}, owners


def hold(connection: Connection, terms: Mapping[int, int]) -> None:
    """Keeps these claims from being ended before this transaction is over. Raises KeyRace when one has been."""
    ids = sorted(terms)
    held = connection.execute(_HOLD, {"ids": ids, "terms": [terms[each] for each in ids]}).scalars().all()
    if lost := set(ids) - set(held):
        raise KeyRace(
            f"telegram ids {sorted(lost)} were claimed by another shard while this batch waited for its locks"
        )


def _end(engine: Engine, shard: Shard, claims: Iterable[Claim]) -> dict[int, AccountKey]:
    """Ends claims of other shards, but for those whose ids users have: these users."""
    of_shards: dict[int, list[Claim]] = {}
    for each in claims:
        of_shards.setdefault(shard.of(each.bucket), []).append(each)
    owners: dict[int, AccountKey] = {}
    for number, there in sorted(of_shards.items()):
        with transaction(engine) as connection:
            look_into(connection, shard, number)
            owners |= profiles.telegram_owners(connection, [each.telegram_id for each in there])
            free = sorted(each for each in there if each.telegram_id not in owners)
            ids = [each.telegram_id for each in free]
            connection.execute(_END, {"ids": ids, "terms": [each.term + 1 for each in free]})
            owners |= profiles.telegram_owners(connection, ids)  # who was given one until now
            wait_as_for_a_write(connection)
    return owners


def _known(engine: Engine, shard: Shard, telegram_ids: Collection[int]) -> list[Claim]:
    return _ask(engine, shard, _read, [Claim(telegram_id, 0, 0) for telegram_id in telegram_ids])


def _terms(engine: Engine, shard: Shard, telegram_ids: list[int]) -> dict[int, int]:
    if not telegram_ids:
        return {}
    query = f"select telegram_id, term from {shard.schema}.telegram_terms where telegram_id = any(%(ids)s)"  # noqa: S608 - a schema of ours
    [found] = each_committed(engine, [(query, {"ids": telegram_ids})])
    return dict(found)


def _ask(
    engine: Engine,
    shard: Shard,
    statement: Callable[[str], str],
    claims: Collection[Claim],
    new: Callable[[Claim], tuple[int, int]] = lambda each: (each.bucket, each.term),
) -> list[Claim]:
    """`new`: bucket and term that they are to have."""

    def parameters(there: Sequence[Claim]) -> dict[str, Any]:
        return {
            "ids": [each.telegram_id for each in there],
            "buckets": [each.bucket for each in there],
            "terms": [each.term for each in there],
            "new_buckets": [new(each)[0] for each in there],
            "new_terms": [new(each)[1] for each in there],
        }

    found = ask(engine, shard, sorted(claims), lambda each: bucket_of_telegram(each.telegram_id), statement, parameters)
    return [Claim(*row) for row in found]


@cache
def _insert(schema: str) -> str:
    return f"""
        insert into {schema}.telegram_ids (telegram_id, bucket, term)
        select telegram_id, bucket, term
        from unnest(%(ids)s::bigint[], %(buckets)s::smallint[], %(terms)s::bigint[]) as new (telegram_id, bucket, term)
        on conflict do nothing
        returning telegram_id, bucket, term
    """  # noqa: S608 - the schema's name is made of a number


@cache
def _read(schema: str) -> str:
    return f"""
        select telegram_id, bucket, term from {schema}.telegram_ids where telegram_id = any(%(ids)s::bigint[])
    """  # noqa: S608 - as above


@cache
def _move(schema: str) -> str:
    """Of those that are as they were when they were read."""
    return f"""
        update {schema}.telegram_ids as known set bucket = wanted.new_bucket, term = wanted.new_term
        from unnest(%(ids)s::bigint[], %(buckets)s::smallint[], %(terms)s::bigint[], %(new_buckets)s::smallint[],
                    %(new_terms)s::bigint[]) as wanted (telegram_id, bucket, term, new_bucket, new_term)
        where known.telegram_id = wanted.telegram_id and known.bucket = wanted.bucket and known.term = wanted.term
        returning known.telegram_id, known.bucket, known.term
    """  # noqa: S608 - as above
