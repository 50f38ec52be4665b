"""Which webhooks post an event, and how."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from lanrage_events import Event
from lanrage_events.config import EventTypes
from lanrage_events.events import seconds_later

from .._config import MentionConfig, RouteConfig
from .._rendering import DEFAULT_PRESENTATION, Presentation

NOT_TAKEN: Mapping[str, Presentation] = MappingProxyType({})
"""the destinations of an event that no route takes"""


class Router:
    """Finds the destinations of events by the routes, which are tried in order.

    A webhook posts an event once, as the first matching route that names it says.

    :param routes: the routes; without any, every webhook posts every event
    :param webhooks: the names of all webhooks
    :param max_age: by type or base type, how many seconds old an event may be when it is posted
    """

    def __init__(
        self,
        routes: Sequence[RouteConfig],
        webhooks: Iterable[str],
        max_age: Mapping[str, float] | None = None,
    ) -> None:
        self._routes = tuple(routes) or (RouteConfig(),)
        self.webhooks = tuple(webhooks)
        """the names of all webhooks"""
        self._max_age = dict(max_age or {})
        self._aging = EventTypes(self._max_age)
        # With a route for each of many webhooks, one look excludes most of them.
        self._unindexed: list[int] = []
        self._by_value: dict[str, dict[object, list[int]]] = {}
        self._by_type: dict[type[Event], Mapping[str, Presentation]] = {}
        """the destinations of event types, where they depend on nothing else"""
        self._lifetimes: dict[type[Event], float | None] = {}
        """how many seconds old events of a type may be when they are posted, None for any age"""
        self._has_conditions = any(route.where for route in self._routes)
        for number, route in enumerate(self._routes):
            self._index(number, route)

    def route(self, event: Event) -> Mapping[str, Presentation]:
        """Return the webhooks that post an event, and how each of them presents it.

        That is :data:`NOT_TAKEN` if no route takes it, rather than one without a webhook.
        """
        known = self._by_type.get(type(event))
        if known is not None:
            return known

        found = self._find(event)
        if not self._has_conditions:
            self._by_type[type(event)] = found

        return found

    def _find(self, event: Event) -> Mapping[str, Presentation]:
        found: dict[str, Presentation] = {}
        is_taken = False
        for route in self._candidates(event):
            if not route.matches(event):
                continue

            is_taken = True
            presentation = presentation_of(route)
            for webhook in self.webhooks if route.webhook is None else route.webhook:
                found.setdefault(webhook, presentation)

            if route.stop:
                break

        return found if is_taken else NOT_TAKEN

    def _index(self, number: int, route: RouteConfig) -> None:
        literal = next(route.where.literals(), None)
        if literal is None:
            self._unindexed.append(number)
            return

        field, values = literal
        by_value = self._by_value.setdefault(field, {})
        for one in values:
            for key in {one, str(one)}:
                by_value.setdefault(key, []).append(number)

    def _candidates(self, event: Event) -> Iterator[RouteConfig]:
        """Return the routes that may match an event, in their order."""
        numbers = set(self._unindexed)
        for field, by_value in self._by_value.items():
            for key in _keys(getattr(event, field, None)):
                numbers.update(by_value.get(key, ()))

        return (self._routes[number] for number in sorted(numbers))

    def expires(self, event: Event) -> datetime | None:
        """Return when an event becomes too old to be posted, None for never."""
        cls = type(event)
        if cls not in self._lifetimes:
            name = self._aging.nearest(cls)
            self._lifetimes[cls] = None if name is None else self._max_age[name]

        lifetime = self._lifetimes[cls]
        return None if lifetime is None else seconds_later(event.time, lifetime)


def _keys(value: object) -> Iterator[object]:
    """Return what a field's value is found by, if a route may want it."""
    if isinstance(value, (tuple, list, set, frozenset)):
        for one in value:
            yield from _keys(one)
    else:
        yield str(value)
        if isinstance(value, Hashable):
            yield value


def presentation_of(route: RouteConfig) -> Presentation:
    """Return how a route presents events."""
    mention = route.mention or MentionConfig()
    if not (route.silent or route.immediate or mention.roles or mention.users):
        return DEFAULT_PRESENTATION

    return Presentation(
        silent=route.silent,
        immediate=route.immediate,
        roles=mention.roles,
        users=mention.users,
        cooldown=mention.cooldown,
    )
