"""The log: how lines look, how many there may be, and those of jobs."""
