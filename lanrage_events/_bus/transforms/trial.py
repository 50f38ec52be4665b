"""What the transforms of plugins make of an event that is only shown, and not published."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..._containment import call, contained
from ..._events import Event
from .chain import MOST_EVENTS, DeclaredTransform, Events, Step, made_of, too_many
from .discretion import undisclosed


@dataclass(frozen=True, slots=True)
class Trial:
    """What the transforms of one plugin make of an event."""

    plugin: str
    outcome: str
    """in words, without a value of the event"""
    events: Events
    """what is left to publish"""
    is_known: bool = True
    """whether its transforms were called"""


def try_transforms(
    plugin: str,
    events: Events,
    transforms: Iterable[DeclaredTransform],
    *,
    required: bool,
    protect: Callable[[Event], Events],
) -> Trial | None:
    """Return what a plugin makes of events, None if it has no transform for them.

    :param required: whether none is published if one of its transforms raises
    :param protect: returns what the rules leave of an event that a transform has changed or made
    """
    is_used = False
    before = events
    for position, transform in enumerate(transforms):
        step = Step(transform.function, plugin, position, required)
        made: list[Event] = []
        for event in events:
            if not isinstance(event, transform.classes):
                made.append(event)
                continue

            is_used = True
            try:
                result = made_of(step, event, call(step.function, event))
                made += [p for one in result for p in ([one] if one is event else protect(one))]
                if len(made) > MOST_EVENTS:
                    raise too_many(len(made))
            except Exception as error:  # noqa: BLE001 - as on the bus
                why = undisclosed(contained(error))
                if required:
                    return Trial(plugin, f"fails, so the event is not published: {why}", ())

                return Trial(plugin, f"fails, and the event passes without it: {why}", before)

        events = (*made,)

    return Trial(plugin, _outcome(before, events), events) if is_used else None


def _outcome(before: Events, after: Events) -> str:
    if after == before:
        return "changes nothing"

    if not after:
        return "drops it"

    return "changes it" if len(after) == 1 else f"makes {len(after)} events of it"
