"""What the rules and the transforms of a configuration do with an event."""

from __future__ import annotations

from .._bus import EventBus
from .._exceptions import EventError
from ..cli import write_lines
from ..config import explain_rules
from .errors import UsageError

EXAMPLE = '{"type": "peer_joined", "peer_name": "Ann", "party_name": "Friday LAN"}'


def run(bus: EventBus, text: str) -> None:
    """Print what each rule and transform does with an event, and what the plugins receive.

    :param bus: with the rules, the event types and the plugins of the configuration
    :param text: the event as JSON
    :raises UsageError: if it is no event
    """
    try:
        event = bus.events.from_json(text)
    except EventError as error:
        example = "" if text.lstrip().startswith("{") else f"; such as {EXAMPLE}"
        raise UsageError(f"--event: {error}{example}") from None

    lines, result = [], event
    for step in explain_rules(bus, event):
        lines.append(f"{step.place}: {step.rule} {step.outcome}")
        if step.event is None:
            write_lines([*lines, "no plugin receives it"])
            return

        result = step.event

    if not lines:
        lines.append("there are no rules, and no plugin transforms it")

    is_partial = any("is not called" in line for line in lines)
    but = ", without what was not called," if is_partial else ""
    write_lines([*lines, f"the plugins receive{but} {result.to_json()}"])
