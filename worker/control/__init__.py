"""Remote control: what `celery inspect` and `celery control` are told and may do."""
