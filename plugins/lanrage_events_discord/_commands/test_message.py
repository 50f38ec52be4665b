"""The command ``test``: one real message to a webhook."""

from __future__ import annotations

from functools import partial

from lanrage_events.cli import ExitCode, did_you_mean, write_errors, write_lines
from lanrage_events.templates import TemplateError

from .._client import Outcome, OutcomeKind, WebhookClient, WebhookURL
from .._config import DEFAULT_WEBHOOK
from .._delivery import Envelope, Mentions, Threads, in_words
from .._embeds import Message
from .._memory import Memory
from .._plugin import REDACTED_LOGGERS
from .._preview import describe
from .._rendering import compose_test_message
from .plugin import ConfiguredPlugin


async def post_test_message(found: ConfiguredPlugin, name: str | None) -> int:
    """Post one message, print Discord's answer, and return the exit code: 1 if it was rejected.

    :param name: the webhook's name; None for the default one, or else the first one
    """
    webhooks = found.webhooks
    if name is not None and name not in webhooks:
        known = ", ".join(webhooks) or "none"
        hint = did_you_mean(name, webhooks)
        write_errors([f"no webhook is named '{name}', known: {known}{hint}"])
        return ExitCode.MISUSE

    if not webhooks:
        place = found.place("webhook_url")
        write_errors([f"{place}: no webhook is set: set its URL here or on the setup page"])
        return ExitCode.BAD_CONFIG

    default = DEFAULT_WEBHOOK if DEFAULT_WEBHOOK in webhooks else next(iter(webhooks))
    chosen = name or default
    webhook = webhooks[chosen]
    address = found.config.address(webhook)
    problems: list[TemplateError] = []
    renderer = found.make_renderer(problems)
    missing: list[str] = []
    message = await renderer.pictures.attach(compose_test_message(renderer), missing.append)
    outcome, thread = await _post(found, chosen, address, message)
    write_errors([*map(describe, problems), *missing])
    if outcome.kind is not OutcomeKind.DELIVERED:
        write_errors([f"webhook '{chosen}': {outcome.reason}{_wait(outcome)}"])
        return ExitCode.FAILED

    number = f", message {outcome.message_id}" if outcome.message_id else ""
    write_lines([f"webhook '{chosen}': {outcome.reason}{number}{thread}"])
    others = [one for one in webhooks if one != chosen]
    if name is None and others:
        write_lines([f"not tested: {', '.join(others)} (name one to test it)"])

    return ExitCode.DONE


async def _post(
    found: ConfiguredPlugin, name: str, address: WebhookURL, message: Message
) -> tuple[Outcome, str]:
    """Return the outcome, and what it did with the forum's thread, in words."""
    webhook = found.webhooks[name]
    path, times = found.state_file("threads.json"), found.state_file("thread_times.json")
    threads = Threads(
        Memory(path, "the ids of threads", survives_power_loss=True),
        Memory(times, "when threads were created"),
    )
    own_thread = partial(found.thread_names.own, name, webhook)
    envelope = Envelope(webhook, Mentions(), threads, own_thread=own_thread)
    posted = envelope.wrap(message, [], address.id, is_backlog=True)
    outcome = await _send(found, envelope, address, posted)
    if envelope.avoid_thread(posted, outcome, address.id):
        posted = envelope.wrap(message, [], address.id, is_backlog=True)
        outcome = await _send(found, envelope, address, posted)

    is_new = bool(posted.thread_name) and outcome.kind is OutcomeKind.DELIVERED
    if is_new:
        envelope.delivered(posted, address.id, outcome.channel_id)

    return outcome, f", in the new post '{posted.thread_name}'" if is_new else ""


async def _send(
    found: ConfiguredPlugin, envelope: Envelope, address: WebhookURL, message: Message
) -> Outcome:
    if wait := envelope.begin(message, address.id):
        return Outcome(OutcomeKind.RETRY, f"{wait.reason}: wait {in_words(wait.seconds)}")

    outcome: Outcome | None = None
    try:
        with found.bus.redactor.redacting(REDACTED_LOGGERS):
            async with WebhookClient() as client:
                thread_id = message.thread_id or None
                outcome = await client.execute(
                    address, message.body(), files=message.files, thread_id=thread_id
                )
                return outcome
    finally:
        envelope.answered(message, outcome, address.id)


def _wait(outcome: Outcome) -> str:
    seconds = outcome.retry_after
    return f"; Discord asks to wait {in_words(seconds)}" if seconds else ""
