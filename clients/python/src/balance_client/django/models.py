"""The table of jobs to be published, as Django migrates it: that of `balance_client.outbox`, column by column."""

from __future__ import annotations

from django.db.models import BigAutoField, DateTimeField, Model, TextField

from balance_client.publishing.outbox_rows import TABLE, OutboxRow


class OutboxJob(Model):
    """A job that waits for the relay. The broker has it, or will have it, once the row is gone."""

    id = BigAutoField(primary_key=True)
    job = TextField()
    arguments = TextField()
    account = TextField(null=True)
    created_at = DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "balance_client"
        db_table = TABLE

    def __str__(self) -> str:
        return f"{self.job} {self.id}"

    @property
    def row(self) -> OutboxRow:
        return OutboxRow(self.job, self.arguments, self.account)
