"""A service with an app named `models` and a module named `tasks`, as services have them."""

import os

SECRET_KEY = os.environ.get("SECRET_KEY", "an example only")
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DATABASE", "shop.sqlite3")}}
INSTALLED_APPS = ["models", "balance_client.django"]

# The arguments of a BalanceClient.
BALANCE_CLIENT = {
    "broker_url": os.environ.get("BALANCE_BROKER_URL", "redis://127.0.0.1:6379/0"),
    "queue": os.environ.get("BALANCE_QUEUE", "balance"),
    "producer": "shop",
}
