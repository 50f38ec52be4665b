"""The command ``preview``: what each plugin would send for an event."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from lanrage_events import Event, EventBus, Preview
from lanrage_events.cli import ExitCode, did_you_mean, write_errors, write_json, write_lines
from lanrage_events.config import explain_rules

from .._config import DiscordConfig
from .._plugin import DiscordPlugin
from .._preview import CardSample, MessagePreview, measure, preview_event
from .._terminal import draw_message, draw_meters, make_console

_NAME = "discord"


def show_previews(
    bus: EventBus, event: Event, *, plugin: str | None, invite_url: str | None, as_json: bool
) -> int:
    """Print what plugins would send for an event, and return the exit code.

    :param bus: with the plugins of the configuration
    :param plugin: the only one to show, None for all
    :param invite_url: the invite that messages in Discord show, None for the configured one
    :raises LookupError: if no plugin of that name shows anything
    """
    previews = _previews(bus, event, invite_url)
    if plugin is not None and plugin not in previews:
        hint = did_you_mean(plugin, previews)
        known = ", ".join(previews)
        raise LookupError(f"no plugin '{plugin}' shows what it would send, known: {known}{hint}")

    names = list(previews) if plugin is None else [plugin]
    shown = [(name, preview) for name in names for preview in previews[name]]
    redact = bus.redactor.redact
    for number, (name, preview) in enumerate(shown):
        if as_json:
            data = preview.text if preview.json is None else preview.json
            write_json(bus.redactor.redact_value(data))
            continue

        if len(shown) > 1:
            title = ", ".join(filter(None, (name, preview.title)))
            write_lines([""] if number else [])
            write_lines([redact(f"{title}:")])

        _write(bus, preview)

    if not shown:
        reasons = [
            f"{s.place}: {s.rule} {s.outcome}" for s in explain_rules(bus, event) if not s.event
        ]
        write_errors([*reasons, f"nothing would be sent by: {', '.join(names)}"])
        return ExitCode.FAILED

    problems = [
        (name if len(shown) > 1 else "", problem)
        for name, preview in shown
        for problem in preview.problems
    ]
    write_errors(
        redact(": ".join(filter(None, (name, "warning" if one.warning else "", str(one)))))
        for name, one in problems
    )
    is_good = all(problem.warning for _, problem in problems)
    return ExitCode.DONE if is_good else ExitCode.FAILED


def _previews(
    bus: EventBus, event: Event, invite_url: str | None
) -> Mapping[str, Sequence[Preview]]:
    for one in bus.plugins.values():
        if isinstance(one, DiscordPlugin) and invite_url is not None:
            one.config = one.config.model_copy(update={"invite_url": invite_url})

    if isinstance(event, CardSample):
        found = bus.plugins.items()
        own = {name: [p.preview(event, bus)] for name, p in found if isinstance(p, DiscordPlugin)}
        return own or {_NAME: [preview_event(event, bus, invite_url)]}

    previews = bus.plugins.preview(event)
    if previews:
        return previews

    # Templates can be tried before Discord is configured.
    name = bus.register(DiscordPlugin(DiscordConfig(invite_url=invite_url)))
    return {_NAME: bus.plugins.preview(event)[name]}


def _write(bus: EventBus, preview: Preview) -> None:
    if isinstance(preview, MessagePreview):
        console = make_console(sys.stdout)
        meters = draw_meters(measure(preview.message), console)
        console.print(draw_message(preview.message.body()), "", meters, crop=False)
    elif preview.text:
        write_lines(map(bus.redactor.redact, preview.text.splitlines()))
    elif preview.json is not None:
        write_json(bus.redactor.redact_value(preview.json))
