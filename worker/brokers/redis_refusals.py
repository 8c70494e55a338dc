"""What to do when Redis or Valkey, or its sentinels, do not let a worker in, or not go on."""

from __future__ import annotations

from typing import Final

from redis import exceptions as redis
from redis.sentinel import MasterNotFoundError

_CLUSTER: Final = (
    "use one Redis or Valkey, behind Redis Sentinel if it must fail over, or RabbitMQ: Redis Cluster cannot carry "
    "Celery's queues"
)
# By how the server's answer begins, where redis-py has no class for it.
_BY_TEXT: Final = {
    "NOREPLICAS": "bring its replicas back; as long as they are away it takes no jobs (min-replicas-to-write)",
    "MISCONF": "see the log of Redis: it cannot write to its disk, and takes no jobs before it can",
    "UNBLOCKED": "nothing: its role changes; if that is meant to last, what comes next says what to do",
    "DB index is out of range": "end {where}, in the number of a database that it has (CONFIG GET databases)",
    "max number of clients": "raise its maxclients, or end clients that nobody needs",
    "CLUSTERDOWN": _CLUSTER,
    "unknown command": (
        "see that {where}, names Redis 6.2 or newer, or Valkey; for a Redis Sentinel write sentinel://…/0?master_name=…"
    ),
    "WRONGTYPE": "rename that key: somebody else uses a name of ours in this database; `balance-worker doctor` looks",
}


def redis_step(error: redis.RedisError, where: str) -> str:
    """`where`: the setting that names it, with what it is now."""
    match error:
        case redis.MovedError() | redis.ClusterDownError() | redis.ClusterCrossSlotError():
            return _CLUSTER
        case MasterNotFoundError():
            return f"see that the sentinels run and that they know a primary by the name in {where}"
        case redis.NoPermissionError():
            return "grant it to that user (ACL SETUSER): docs/security.md, Redis: users, has the rules that each needs"
        case redis.AuthenticationError():
            return f"correct user and password in {where}"
        case redis.ReadOnlyError():
            return f"see that {where}, names the primary, not a replica"
        case redis.OutOfMemoryError():
            return "free memory of it, or raise its maxmemory"
        case redis.MaxConnectionsError():
            return _BY_TEXT["max number of clients"]
        case redis.BusyLoadingError():
            return "nothing: it reads its file, and answers when it has"
        case redis.ResponseError():
            known = (step for begins, step in _BY_TEXT.items() if str(error).startswith(begins))
            return next(known, "see the log of Redis, and that {where}, names it").format(where=where)
    return f"see that the broker runs, and that {where}, names it"
