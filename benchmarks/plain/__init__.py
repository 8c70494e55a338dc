"""The worker to compare with: plain Celery and the SQLAlchemy ORM, as a good tutorial would write it."""
