"""What one transaction writes: a batch that is decided, kept with a statement a table."""

from __future__ import annotations

from sqlalchemy import Connection

from models.batch.decided import DecidedBatch
from models.store.write import accounts, entries, grants, holds, outbox, profiles
from models.store.write import jobs as store
from models.store.write import journals as records
from models.store.write.events import endpoints
from models.store.write.top_ups import charges, policies


class UnitOfWork(DecidedBatch):
    """A batch on its way into the tables."""

    __slots__ = ()

    def write(self, connection: Connection, journal: records.Journal | None = None) -> None:
        """Everything is decided; from here on there are only writes. `journal`: when there is something to record."""
        accounts.create(connection, self.working_set.created(), self.heads)
        profiles.save(connection, self.working_set.changed_profiles())
        policies.save(connection, self.working_set.changed_policies())
        store.insert(connection, self.settled)
        charges.save(connection, self.working_set.changed_charges(), self.context.now)
        grants.save(connection, self.working_set.changed_grants())
        holds.save(connection, self.working_set.changed_holds())
        entries.insert(connection, self.entries)
        accounts.save(connection, self.working_set.changed(), self.heads)
        endpoints.save(connection, self.working_set.changed_endpoints())
        outbox.insert(connection, self.events)
        if self.recorded:
            assert journal is not None, "what is recorded needs a journal"
            records.append(connection, journal, self.recorded)
