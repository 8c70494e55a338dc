"""What a process tells of itself: its log, Celery's events, and whether it is ready."""
