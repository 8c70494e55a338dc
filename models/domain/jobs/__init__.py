"""Decisions: what each kind of job does to its account, one file a family, and the commands that they are made from."""
