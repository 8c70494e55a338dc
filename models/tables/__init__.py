"""SQLAlchemy tables: what the database holds and the constraints that say what the code believes."""
