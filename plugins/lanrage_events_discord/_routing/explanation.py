"""Why an event goes to the webhooks that it goes to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lanrage_events import Event

from .._config import RouteConfig
from .._rendering import DEFAULT_PRESENTATION, Presentation
from .router import has_value, presentation_of

_VALUE_MAX_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class RouteStep:
    """What one route does with an event."""

    number: int
    """its index in the configuration; -1 for the one that is used if there are none"""
    mismatch: str = ""
    """why it does not take the event, empty if it does"""
    field: str = ""
    """the field that it does not take the event for"""
    webhooks: tuple[str, ...] = ()
    """those that post the event because of it"""
    earlier: tuple[str, ...] = ()
    """those that it names, and a route above it, too"""
    presentation: Presentation = DEFAULT_PRESENTATION
    stops: bool = False


def explain(
    event: Event, routes: Sequence[RouteConfig], webhooks: Sequence[str]
) -> Iterator[RouteStep]:
    """Yield what each route does with an event, in their order, as a :class:`Router` decides.

    :param webhooks: the names of all webhooks
    """
    taken: set[str] = set()
    stopped_by: int | None = None
    numbered = enumerate(routes) if routes else [(-1, RouteConfig())]
    for number, route in numbered:
        if stopped_by is not None:
            yield RouteStep(number, f"not reached, since routes.{stopped_by} has 'stop'")
            continue

        mismatch, name = _mismatch(event, route)
        if mismatch:
            yield RouteStep(number, mismatch, name)
            continue

        named = tuple(dict.fromkeys(webhooks if route.webhook is None else route.webhook))
        yield RouteStep(
            number,
            webhooks=tuple(one for one in named if one not in taken),
            earlier=tuple(one for one in named if one in taken),
            presentation=presentation_of(route),
            stops=route.stop,
        )
        taken.update(named)
        if route.stop:
            stopped_by = number


def _mismatch(event: Event, route: RouteConfig) -> tuple[str, str]:
    """Return why a route does not take an event, and the field that decides; empty if it does."""
    if not route.events.select(type(event)):
        return f"no, it is for {', '.join(route.events) or 'no event'}", ""

    for name, wanted in route.where.items():
        if not hasattr(event, name):
            return f"no, {event.type} has no field '{name}'", name

        value = getattr(event, name)
        if not has_value(value, wanted):
            values = wanted if isinstance(wanted, list) else [wanted]
            return f"no, {name} is {_show(value)}, not {' or '.join(map(_show, values))}", name

    return "", ""


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()

    if isinstance(value, (tuple, list, set, frozenset)):
        return ", ".join(map(_show, value)) or "empty"

    text = str(value)
    if len(text) > _VALUE_MAX_CHARACTERS:
        text = f"{text[:_VALUE_MAX_CHARACTERS]}…"

    return f"'{text}'" if isinstance(value, str) else text
