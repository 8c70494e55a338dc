"""The table of the outbox."""

from __future__ import annotations

from django.db import migrations
from django.db.models import BigAutoField, DateTimeField, TextField


class Migration(migrations.Migration):
    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="OutboxJob",
            fields=[
                ("id", BigAutoField(primary_key=True, serialize=False)),
                ("job", TextField()),
                ("arguments", TextField()),
                ("account", TextField(null=True)),
                ("created_at", DateTimeField(auto_now_add=True)),
            ],
            options={"db_table": "balance_job_outbox"},
        ),
    )
