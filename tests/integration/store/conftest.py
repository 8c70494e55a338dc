"""The emptied database, for the modules that ask for it."""

from tests.emptied import emptied, shared_engine

__all__ = ["emptied", "shared_engine"]
