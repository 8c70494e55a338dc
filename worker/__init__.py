"""How it runs: settings, the Celery app, the money task, schedule, embedded servers, command line and demo."""
