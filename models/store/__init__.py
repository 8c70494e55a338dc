"""The only SQL. Functions take a connection and never commit; `session` holds the one commit."""
