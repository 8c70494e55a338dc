"""Every command there is, in the order of the help."""

from __future__ import annotations

from typing import Final

from typer.core import TyperGroup

from worker.cli.deferred import Deferred


def _group(name: str, about: str, *commands: Deferred) -> TyperGroup:
    return TyperGroup(name=name, help=about, commands=commands, no_args_is_help=True, rich_markup_mode=None)


# Each with the first sentence of its own help: to list them loads none.
COMMANDS: Final = (
    Deferred(
        "demo",
        "worker.cli.operations.demo",
        "Show the whole system at work, on servers of its own: jobs, refusals, holds, auto top-up, expiry, the ledger.",
    ),
    Deferred(
        "up",
        "worker.cli.operations.up",
        "Run everything here: PostgreSQL, Valkey, migrations, money worker, I/O worker, beat, Flower, HTTP door.",
    ),
    Deferred("migrate", "worker.cli.operations.migrate", "Brings the tables of the database to this version."),
    Deferred(
        "distribute",
        "worker.cli.operations.distribute",
        "Makes the schemas of all shards and brings their tables to this version.",
    ),
    Deferred(
        "grants",
        "worker.cli.operations.grants",
        "Writes the SQL that gives the workers' role what it needs on our tables, and takes the rest from it.",
    ),
    Deferred(
        "http",
        "worker.cli.operations.http",
        "Opens the HTTP door: the endpoints of the source APIs, until Ctrl-C or SIGTERM.",
    ),
    Deferred(
        "http-key",
        "worker.cli.operations.http",
        "Makes a key for the HTTP door: shows it once, and the entry for BALANCE_HTTP_KEYS, which has its hash alone.",
    ),
    Deferred(
        "publish",
        "worker.cli.jobs.publish",
        "Publishes one job and shows its outcome; or a file of jobs, each under the key on its line.",
    ),
    Deferred(
        "why",
        "worker.cli.finance.why",
        "Says what became of a key: settled and how, a dead letter, or still waiting, and what was told of it.",
    ),
    Deferred(
        "report",
        "worker.cli.finance.report",
        "Writes what every account opened with, got, spent and closed with, and totals by kind and currency.",
    ),
    Deferred("verify", "worker.cli.operations.verify", "Recomputes the whole ledger and names what does not add up."),
    Deferred(
        "anchor",
        "worker.cli.operations.anchor",
        "Writes a signed anchor of the ledger to a place outside the database, for `verify --against`.",
    ),
    Deferred(
        "anchor-keys",
        "worker.cli.operations.anchor",
        "Makes a key for anchors: a private one for BALANCE_ANCHOR_KEY, and a public one for whoever compares.",
    ),
    Deferred(
        "doctor",
        "worker.cli.operations.doctor",
        "Examines a running deployment: does it keep what docs/guarantees.md promises?",
    ),
    Deferred(
        "top",
        "worker.cli.top.command",
        "Shows what happens now: jobs by code, latency, queues, workers, faults, what waits, and the busiest accounts.",
    ),
    Deferred(
        "ready",
        "worker.cli.operations.ready",
        "Asks whether a worker of this machine does its work; ends with 0 when it does, and with 1 when it does not.",
    ),
    Deferred(
        "remake-queue",
        "worker.cli.operations.remake_queue",
        "Makes a queue of RabbitMQ anew as workers declare it, and keeps its messages.",
    ),
    Deferred(
        "asyncapi",
        "worker.cli.documents.asyncapi",
        "Writes the AsyncAPI description of every job, its answer and the events.",
    ),
    Deferred(
        "config",
        "worker.cli.documents.config",
        "Shows the settings that are in force, and which of them come from the environment.",
    ),
    Deferred(
        "completion",
        "worker.cli.documents.completion",
        "Writes what lets a shell complete commands and options.",
    ),
    Deferred(
        "reference",
        "worker.cli.documents.reference",
        "Writes this reference of all commands: docs/cli.md.",
        hidden=True,
    ),
    _group(
        "jobs",
        "Settled jobs with their outcomes.",
        Deferred("list", "worker.cli.jobs.commands", "Lists settled jobs, the newest first."),
        Deferred(
            "show",
            "worker.cli.jobs.commands",
            "Shows all that is known of one settled job: what was asked, what it was answered, what it changed.",
        ),
        Deferred(
            "reconcile",
            "worker.cli.finance.reconcile",
            "Compares a publisher's file of keys with the ledger: which are applied, refused, missing.",
        ),
    ),
    _group(
        "dead-letters",
        "Messages that could not be settled: look, replay, discard.",
        Deferred(
            "list",
            "worker.cli.dead_letters.commands",
            "Lists the messages that could not become a job or kept failing, the one seen last first.",
        ),
        Deferred(
            "show",
            "worker.cli.dead_letters.commands",
            "Shows all that is kept of one dead letter: why it is there, what became of it, its headers and its body.",
        ),
        Deferred(
            "replay",
            "worker.cli.dead_letters.actions",
            "Publishes the messages of dead letters again, as they came, to the queue that they came from.",
        ),
        Deferred("discard", "worker.cli.dead_letters.actions", "Closes dead letters that are not wanted."),
    ),
    _group(
        "accounts",
        "Users, wallets and apps with their balances.",
        Deferred(
            "list",
            "worker.cli.accounts.commands",
            "Lists accounts with what is there now, in the order of their names.",
        ),
        Deferred(
            "show",
            "worker.cli.accounts.commands",
            "Shows one account: what is there now, what it is, its open grants and holds, its entries,"
            " the newest first.",
        ),
        Deferred(
            "statement",
            "worker.cli.finance.statement",
            "Writes an account's statement: what it opened with, every entry, what it closed with, and totals.",
        ),
        Deferred(
            "repair",
            "worker.cli.accounts.repair",
            "Sets a wallet right that broke a rule before the rule was kept, by one more entry.",
        ),
    ),
    _group(
        "auto-topup",
        "Auto top-up policies: where they stand and why, and what operators may ask of them.",
        Deferred(
            "list",
            "worker.cli.auto_topup.commands",
            "Lists auto top-up policies with what a look at each would come to now, in the order of their accounts'"
            " names.",
        ),
        Deferred(
            "show",
            "worker.cli.auto_topup.commands",
            "Shows one account's auto top-up: why it fires or not, its policy, this month, its charges.",
        ),
        Deferred(
            "explain",
            "worker.cli.auto_topup.commands",
            "Says in a sentence why an account is topped up or not, and what would have to change, or until when.",
        ),
        Deferred(
            "history",
            "worker.cli.auto_topup.commands",
            "Shows what was decided about an account's top-ups, and its charges, the newest first.",
        ),
        Deferred(
            "resume",
            "worker.cli.auto_topup.actions",
            "Puts a suspended policy in force again: what suspended it is forgotten, and declines are counted anew.",
        ),
        Deferred(
            "run-now",
            "worker.cli.auto_topup.actions",
            "Tops up by the policy now, whatever the balance, and without waiting for a cooldown.",
        ),
        Deferred(
            "cancel",
            "worker.cli.auto_topup.actions",
            "Switches the policy off, and gives up a charge that nobody was asked for yet or that waits for its payer.",
        ),
    ),
    _group(
        "charges",
        "Charges of auto top-ups: what providers were asked for, and what became of it.",
        Deferred(
            "list",
            "worker.cli.charges.commands",
            "Lists charges, the newest first: what was asked for, and what became of it.",
        ),
        Deferred(
            "show",
            "worker.cli.charges.commands",
            "Shows all that is known of one charge: what was asked for, how the asking goes, what became of it.",
        ),
        Deferred("settle", "worker.cli.charges.settle", "Tells what became of a charge, as its provider has it."),
    ),
    _group(
        "charging",
        "The operators' switch: charging for all accounts, paused and resumed.",
        Deferred(
            "show",
            "worker.cli.charges.charging",
            "Shows whether charging is on or paused, since when, by whom and why, and what waits.",
        ),
        Deferred(
            "pause",
            "worker.cli.charges.charging",
            "Pauses charging for all accounts: no auto top-up is made and no provider is asked, from the next tick on.",
        ),
        Deferred("resume", "worker.cli.charges.charging", "Lets charging go on."),
    ),
    _group(
        "webhooks",
        "Endpoints: where events are sent, how that goes, and what they were sent.",
        Deferred(
            "list",
            "worker.cli.webhooks.commands",
            "Lists endpoints, the oldest first: where events are sent, whether they arrive, and what waits.",
        ),
        Deferred(
            "show",
            "worker.cli.webhooks.commands",
            "Shows one endpoint: what it is sent, how that goes, and what waits for it.",
        ),
        Deferred(
            "add",
            "worker.cli.webhooks.actions",
            "Sends events to an endpoint from now on, and shows its secret: once, and never again.",
        ),
        Deferred("update", "worker.cli.webhooks.actions", "Changes where an endpoint is, or what it is sent."),
        Deferred("enable", "worker.cli.webhooks.actions", "Sends to an endpoint again: what waited comes first."),
        Deferred(
            "disable",
            "worker.cli.webhooks.actions",
            "Sends nothing to an endpoint any more; what waits for it is kept.",
        ),
        Deferred(
            "rotate-secret",
            "worker.cli.webhooks.secret",
            "Gives an endpoint another secret, and shows it: once, and never again.",
        ),
        Deferred("remove", "worker.cli.webhooks.actions", "Forgets an endpoint for good, and what waits for it."),
        Deferred(
            "test",
            "worker.cli.webhooks.sending",
            "Sends an endpoint one event of type webhook.test from here, now, and shows what it says.",
        ),
        Deferred(
            "deliveries",
            "worker.cli.webhooks.commands",
            "Lists what an endpoint is or was to be sent, the newest event first, with what became of it.",
        ),
        Deferred(
            "replay",
            "worker.cli.webhooks.sending",
            "Sends an endpoint again what was given up, under the same ids: receivers drop what they have seen.",
        ),
    ),
)
