"""Which webhooks post an event, and how."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType

from lanrage_events import Event, PeerLeft
from lanrage_events.abc import Bus
from lanrage_events.config import EventTypes
from lanrage_events.events import seconds_later

from .._config import DiscordConfig, MentionConfig, RouteConfig
from .._memory import wall_time
from .._rendering import (
    DEFAULT_PRESENTATION,
    NamedThread,
    PartyCard,
    PartyRecap,
    Presentation,
)
from .thread_names import ThreadNames

NOT_TAKEN: Mapping[str, Presentation] = MappingProxyType({})
"""the destinations of an event that no route takes"""
_NO_MENTION = MentionConfig()
_LONG_AGO = -1.0


class Router:
    """Finds the destinations of events by the routes, which are tried in order.

    A webhook posts an event once, as the first matching route that names it says.

    :param routes: the routes; without any, every webhook posts every event
    :param webhooks: the names of all webhooks
    :param max_age: by type or base type, how many seconds old an event may be when it is posted
    :param wall_clock: returns the seconds since 1970, by which mentions have quiet hours
    :param threads: names the threads of forums; None if all events go to the webhooks' own
    """

    def __init__(
        self,
        routes: Sequence[RouteConfig],
        webhooks: Iterable[str],
        max_age: Mapping[str, float] | None = None,
        *,
        wall_clock: Callable[[], float] = wall_time,
        threads: ThreadNames | None = None,
    ) -> None:
        self._threads = None if threads is None or threads.is_empty else threads
        self._wall_clock = wall_clock
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
        self._has_conditions = self._threads is not None or any(
            route.where or (route.mention and (route.mention.when or route.mention.quiet))
            for route in self._routes
        )
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
        if self._threads is not None:
            self._threads.follow(event)

        for number in self._candidates(event):
            route = self._routes[number]
            if not route.matches(event):
                continue

            is_taken = True
            presentation = presentation_of(route, event, self._wall_clock)
            for webhook in self.webhooks if route.webhook is None else route.webhook:
                if webhook not in found:
                    found[webhook] = self._in_thread(presentation, webhook, number, event)

            if route.stop:
                break

        return found if is_taken else NOT_TAKEN

    def _in_thread(
        self, presentation: Presentation, webhook: str, route: int, event: Event
    ) -> Presentation:
        thread = (
            NamedThread() if self._threads is None else self._threads.find(webhook, route, event)
        )
        if not thread.name:
            return presentation

        return replace(presentation, thread_name=thread.name, applied_tags=thread.tags)

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

    def _candidates(self, event: Event) -> Sequence[int]:
        """Return the numbers of the routes that may match an event, in their order."""
        numbers = set(self._unindexed)
        for field, by_value in self._by_value.items():
            for key in _keys(getattr(event, field, None)):
                numbers.update(by_value.get(key, ()))

        return sorted(numbers)

    def expires(self, event: Event) -> datetime | None:
        """Return when an event becomes too old to be posted, None for never."""
        cls = type(event)
        if cls not in self._lifetimes:
            name = self._aging.nearest(cls)
            self._lifetimes[cls] = None if name is None else self._max_age[name]

        lifetime = self._lifetimes[cls]
        return None if lifetime is None else seconds_later(event.time, lifetime)


def thread_of(event: Event, config: DiscordConfig, bus: Bus) -> NamedThread | None:
    """Return the thread in which the first webhook posts an event, without a name if there is none.

    It is None for a card that is a post of its own, which its template names.
    """
    if isinstance(event, (PartyCard, PartyRecap)):
        return None if any(card.thread for card in config.cards) else NamedThread()

    threads = ThreadNames(config, bus, lambda _: None)
    webhooks = config.all_webhooks()
    for name, shown in Router(config.routes, webhooks, threads=threads).route(event).items():
        if shown.thread_name:
            return NamedThread(shown.thread_name, shown.applied_tags)

        if name in webhooks:
            return threads.own(name, webhooks[name])

    return NamedThread()


def _keys(value: object) -> Iterator[object]:
    """Return what a field's value is found by, if a route may want it."""
    if isinstance(value, (tuple, list, set, frozenset)):
        for one in value:
            yield from _keys(one)
    else:
        yield str(value)
        if isinstance(value, Hashable):
            yield value


def presentation_of(
    route: RouteConfig, event: Event, wall_clock: Callable[[], float] = wall_time
) -> Presentation:
    """Return how a route presents an event.

    :param wall_clock: returns the seconds since 1970
    """
    mention, once, until = route.mention, "", 0.0
    if mention is not None and mention.when is not None:
        once = _once(event, mention.when.count)
        mention = mention if once else None

    if mention is not None and mention.quiet:
        now = datetime.fromtimestamp(wall_clock(), UTC)
        if mention.calendar.at(now):
            # Nor does a content mention players.
            mention, until = None, _LONG_AGO
        elif (change := mention.calendar.next_change(now)) is not None:
            until = change.timestamp()

    mention = mention or _NO_MENTION
    has_mention = route.mention is not None
    if not (route.silent or route.immediate or route.important or has_mention):
        return DEFAULT_PRESENTATION

    return Presentation(
        silent=route.silent,
        immediate=route.immediate,
        roles=mention.roles,
        users=mention.users,
        cooldown=(route.mention or _NO_MENTION).cooldown,
        important=route.important,
        once=once,
        mentions_until=until,
    )


def _once(event: Event, wanted: int) -> str:
    """Return what is mentioned once, since the party has so many players; empty if it has not."""
    count = getattr(event, "count", None)
    # Those who are left do not make it worth to come.
    is_met = isinstance(count, int) and count >= wanted and not isinstance(event, PeerLeft)
    keys = party_keys(event) if is_met else []
    return f"{wanted} {keys[0]}" if keys else ""


def party_keys(event: Event) -> list[str]:
    """Return by what the party of an event is known, the surest first, without its name.

    Two events are of the same party if one has the first key of the other.
    """
    id, name = getattr(event, "party_id", None), getattr(event, "party_name", None)
    named = [f"id {id}"] if id else []
    if name:
        named.append(f"name {str(name).casefold()}")

    return [sha256(one.encode(errors="replace")).hexdigest()[:16] for one in named]
