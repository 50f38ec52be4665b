from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TextIO

from lanrage_events import EventDecodeError, EventRegistry, TemplateError

from .._client import validate_invite_url
from .._rendering import Renderer, compose
from .samples import sample_event
from .terminal import Look, draw_message, draw_meters, write_line

# Exit codes.
GOOD = 0
TEMPLATE_HAS_FAULTS = 1
MISUSE = 2


def preview(
    event_type: str,
    values: Sequence[str] = (),
    *,
    out: TextIO,
    err: TextIO,
    templates: Iterable[Traversable] = (),
    folders: Iterable[Traversable] | None = None,
    registry: EventRegistry | None = None,
    invite_url: str | None = None,
    as_json: bool = False,
    look: Look | None = None,
) -> int:
    """Show the message that tells an event, as Discord would lay it out.

    :param event_type: such as ``peer_joined``
    :param values: fields, each as ``name=value``; the others are made up
    :param out: where the message goes
    :param err: where faults of the templates and misuse are told
    :param templates: the user's template folders
    :param folders: where else templates are; by default those that come with lanrage-events
    :param registry: the event types that there are; by default the built-in ones
    :param invite_url: the voice chat invite to show
    :param as_json: write the body that would be posted instead of drawing it
    :param look: what the terminal can show; by default it is found out
    :return: the exit code: 0 if all is well, 1 if templates have faults, 2 if nothing can be shown
    """
    if folders is None:
        folders = (files("lanrage_events_templates"),)

    if registry is None:
        registry = EventRegistry()

    try:
        event = registry.from_dict(sample_event(registry, event_type, values))
        invite = validate_invite_url(invite_url) if invite_url else None
    except (EventDecodeError, ValueError) as error:
        write_line(err, str(error))
        return MISUSE

    faults: list[TemplateError] = []
    renderer = Renderer((*templates, *folders), invite_url=lambda: invite, report=faults.append)
    renderer.check(registry.types())
    [message] = compose([renderer.render(event)])
    if as_json:
        write_line(out, json.dumps(message.body(), ensure_ascii=False, indent=2))
    else:
        look = look or Look.of(out)
        write_line(out, draw_message(message.body(), look))
        write_line(out)
        write_line(out, draw_meters(message.embeds, look))

    for fault in faults:
        write_line(err, f"template {fault}")

    return TEMPLATE_HAS_FAULTS if faults else GOOD
