"""What INSTALLED_APPS names as "balance_client.django"."""

from __future__ import annotations

from django.apps import AppConfig


class BalanceClientConfig(AppConfig):
    """Tables and permissions go by the label."""

    name = "balance_client.django"
    label = "balance_client"
    verbose_name = "Money jobs"
    default_auto_field = "django.db.models.BigAutoField"
