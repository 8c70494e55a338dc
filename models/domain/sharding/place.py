"""Where a job belongs: the bucket of the account that it is about, as far as the job itself says."""

from __future__ import annotations

from models.domain.accounts import AccountKey
from models.domain.deciding.commands import EntryOfJob
from models.domain.deciding.top_up_commands import ChargeOf
from models.domain.sharding.buckets import bucket_of, bucket_of_id


def bucket_of_target(target: object) -> int | None:
    """The bucket of a command's target. None: it names no account, or one that has to be looked up.

    An account is in the bucket of its name. What a job made, another job names by an id, which carries the bucket.
    """
    match target:
        case AccountKey():
            return bucket_of(str(target))
        case EntryOfJob(job_id):
            return bucket_of_id(job_id)
        case ChargeOf(charge_id):
            return bucket_of_id(charge_id)
        case _:
            return None
