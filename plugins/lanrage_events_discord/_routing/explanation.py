"""Why an event goes to the webhooks that it goes to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lanrage_events import ConfigProblem, Event

from .._config import DiscordConfig, RouteConfig
from .._rendering import DEFAULT_PRESENTATION, Presentation
from .router import presentation_of


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
            presentation=presentation_of(route, event),
            stops=route.stop,
        )
        taken.update(named)
        if route.stop:
            stopped_by = number


def check_event(event: Event, config: DiscordConfig) -> Iterator[ConfigProblem]:
    """Yield that an event is not posted, if no route takes it and no card shows it."""
    is_shown = not config.routes or any(card.shows(event) for card in config.cards)
    if not is_shown and all(step.mismatch for step in explain(event, config.routes, ())):
        message = "no route takes this event, so it is not posted"
        yield ConfigProblem(message, ("routes",), warning=True)


def _mismatch(event: Event, route: RouteConfig) -> tuple[str, str]:
    """Return why a route does not take an event, and the field that decides; empty if it does."""
    if not route.events.select(type(event)):
        return f"no, it is for {', '.join(route.events) or 'no event'}", ""

    found = route.where.mismatch(event)
    return ("", "") if found is None else (f"no, {found[1]}", found[0])
