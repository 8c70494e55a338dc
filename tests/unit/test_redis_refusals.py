"""What to do about each error of Redis and of its sentinels."""

from __future__ import annotations

import pytest
import redis

from worker.brokers.redis_refusals import redis_step


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (redis.sentinel.MasterNotFoundError("no sentinel names a primary"), "the sentinels run"),
        (redis.ResponseError("NOREPLICAS Not enough good replicas to write."), "replicas back"),
        (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "disk"),
        (redis.ResponseError("DB index is out of range"), "CONFIG GET databases"),
        (redis.ResponseError("max number of clients reached"), "maxclients"),
        (redis.ResponseError("unknown command 'EVALSHA', with args beginning with:"), "sentinel://"),
        (redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), "rename that key"),
        (redis.ResponseError("something new"), "see the log of Redis, and that BALANCE_BROKER_URL, now X, names it"),
        (redis.exceptions.ClusterCrossSlotError("Keys in request don't hash to the same slot"), "Redis Cluster"),
        (redis.exceptions.OutOfMemoryError("command not allowed"), "maxmemory"),
        (redis.AuthenticationError("invalid username-password pair"), "correct user and password"),
        (redis.BusyLoadingError("Redis is loading"), "nothing"),
        (redis.ConnectionError("Error 111"), "see that the broker runs"),
        (redis.TimeoutError("Timeout"), "see that the broker runs"),
    ],
)
def test_each_refusal_has_its_step(error: redis.RedisError, step: str) -> None:
    assert step in redis_step(error, "BALANCE_BROKER_URL, now X")
