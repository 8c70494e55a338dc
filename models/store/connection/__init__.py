"""Connections to the database: how they begin, the one commit, how long they wait, and whose fault an error is."""
