"""What in the routes can never work, and what is most likely not meant."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TypeAlias

from lanrage_events import (
    ConfigProblem,
    Event,
    EventBus,
    PartyCreated,
    PartyEnded,
    PeerJoined,
    PeerLeft,
)
from lanrage_events.abc import Bus, Rules
from lanrage_events.config import EventTypes
from lanrage_events.events import EventRegistry

from .._config import DEFAULT_WEBHOOK, SHOWN_EVENTS, CardConfig, DiscordConfig, RouteConfig

_ALL = ""
"""stands for all webhooks"""
_COUNTING_PACKAGE = "lanrage_events_parties"
"""the package of the plugin that counts the players of a party"""
_MAX_COMPARED = 100
"""routes with the same values, since each is compared with each"""
_JOINED = PeerJoined(peer_name="Ann", party_name="Friday LAN", party_id="lan-42")
_ENDED = PartyEnded(
    party_name="Friday LAN",
    party_id="lan-42",
    since=datetime(2026, 3, 6, 20, 15, tzinfo=UTC),
    duration=60.0,
    peak=1,
    visitors=1,
    players=("Ann",),
    games=(),
)
Place: TypeAlias = Callable[[str], str | None]
"""returns where a key of the plugin's configuration stands, as ``file:line:column``"""


def unknown_types(config: DiscordConfig, events: EventRegistry) -> Iterator[ConfigProblem]:
    """Yield what names no event type, with which the plugin does not start."""
    for number, route in enumerate(config.routes):
        for index, message in route.events.unknown(events):
            yield ConfigProblem(message, ("routes", number, "events", index))

    for number, card in enumerate(config.cards):
        for index, message in card.messages.unknown(events):
            yield ConfigProblem(message, ("cards", number, "messages", index))

    names = tuple(config.max_age)
    for index, message in EventTypes(names).unknown(events):
        yield ConfigProblem(message, ("max_age", names[index]), about_key=True)


def uncounted(config: DiscordConfig, bus: Bus) -> Iterator[ConfigProblem]:
    """Yield what needs the plugin ``parties``, without it: it counts players, and says what is over.

    The plugin does not start with it.
    """
    counts = (
        cls.__module__.partition(".")[0] == _COUNTING_PACKAGE
        for plugin in bus.plugins.values()
        for cls in type(plugin).__mro__
    )
    if any(counts):
        return

    if config.cards:
        message = "the plugin 'parties' says when a party is over, and is not there: add 'parties:'"
        yield ConfigProblem(message, ("cards",), about_key=True)

    for number, route in enumerate(config.routes):
        if route.mention is not None and route.mention.when is not None:
            message = "the plugin 'parties' counts the players, and is not there: add 'parties:'"
            yield ConfigProblem(message, ("routes", number, "mention", "when", "count"))


def check_routes(
    config: DiscordConfig, events: EventRegistry, place: Place
) -> Iterator[ConfigProblem]:
    """Yield warnings of what has no effect, or cannot have the one that is meant."""
    above = _RoutesAbove(place)
    live = list[RouteConfig]()
    for number, settings in enumerate(config.routes):
        if any(settings.events.unknown(events)):
            live.append(settings)  # with an error, which hides what the route is for
            continue

        route = _Route(number, settings, tuple(filter(settings.events.select, events.types())))
        yield from route.without_effect()
        impossible = list(route.impossible())
        yield from impossible
        if not impossible:
            yield from above.problems(route)

        if not route.never:
            live.append(settings)
            above.add(route)

    yield from _unused_webhooks(config)
    yield from _unused_ages(config, events, live)


def check(config: DiscordConfig, bus: Bus, place: Place) -> Iterator[ConfigProblem]:
    """Yield what is wrong with the routes and the cards, and which settings have no effect."""
    yield from unknown_types(config, bus.events)
    yield from uncounted(config, bus)
    for path, text in config.warnings():
        yield ConfigProblem(text, path, warning=True)

    yield from check_routes(config, bus.events, place)
    yield from check_cards(config.cards, bus.events)
    if config.cards and isinstance(bus, EventBus) and bus.rules is not None:
        yield from _unended(bus.rules)


def check_cards(cards: Sequence[CardConfig], events: EventRegistry) -> Iterator[ConfigProblem]:
    """Yield warnings of the parties that a card is for and that there cannot be, and the like."""
    for number, card in enumerate(cards):
        for found in card.where.problems([PartyCreated], "no party has this card"):
            yield replace(found, path=("cards", number, "where", *found.path))

        for index, name in enumerate(card.messages):
            types = [cls for cls in events.types() if EventTypes([name]).select(cls)]
            if types and not any(issubclass(cls, SHOWN_EVENTS) for cls in types):
                message = (
                    "it has no effect: a card does not show such events, so they are posted anyway"
                )
                yield ConfigProblem(message, ("cards", number, "messages", index), warning=True)


def _unended(rules: Rules) -> Iterator[ConfigProblem]:
    """Yield a warning if rules drop the end of a party whose other events they let pass."""
    by = _dropping(rules, _ENDED)
    if by and not _dropping(rules, _JOINED):
        message = f"{by} drops party_ended, by which cards end, so they stay open: let it pass"
        yield ConfigProblem(message, ("cards",), about_key=True, warning=True)


def _dropping(rules: Rules, event: Event) -> str:
    """Return the name of the rule that drops an event, empty if all let it pass."""
    for rule in rules.transforms(type(event)):
        try:
            found = rule.function(event)
        except Exception:  # noqa: BLE001, S112 - a template may raise anything
            continue

        if not isinstance(found, Event):
            return rule.name

        event = found

    return ""


@dataclass(slots=True)
class _Route:
    """A route with the event types that it selects."""

    number: int
    config: RouteConfig
    types: tuple[type[Event], ...]
    never: bool = False
    """whether no event can match it; known when :meth:`impossible` has ended"""

    def warning(self, message: str, *path: str | int, key: bool = False) -> ConfigProblem:
        return ConfigProblem(message, ("routes", self.number, *path), warning=True, about_key=key)

    def impossible(self) -> Iterator[ConfigProblem]:
        """Yield why no event can match it, or some of its values."""
        if not self.types:
            self.never = True
            yield self.warning("it names no event type, so no event takes this route", "events")
            return

        where = self.config.where
        self.never = not where.can_match(self.types)
        for problem in where.problems(self.types, "no event takes this route"):
            yield self.warning(problem.message, "where", *problem.path, key=problem.about_key)

    def without_effect(self) -> Iterator[ConfigProblem]:
        """Yield the keys that do nothing."""
        mention = self.config.mention
        if mention is not None and not (mention.roles or mention.users):
            yield self.warning("it names no role and no user, so no one is mentioned", "mention")

        if mention is not None and mention.when is not None and not any(map(_counts, self.types)):
            message = (
                "no event of this route says how many players there are, so no one is mentioned"
            )
            yield self.warning(f"{message}: use peer_joined", "mention", "when", "count")

        if self.config.webhook is None or self.config.webhook:
            return

        if not self.config.stop:
            yield self.warning("it has neither a webhook nor 'stop', so it does nothing")

        for name in (
            "silent",
            "immediate",
            "important",
            "mention",
            "thread_name",
            "applied_tags",
        ):
            if getattr(self.config, name):
                message = "it has no effect, since this route posts to no webhook"
                yield self.warning(message, name, key=True)


class _RoutesAbove:
    """What the routes above one do with the events that it is for."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stopped: dict[type[Event], int] = {}
        """the first route that stops all events of a type"""
        self._posted: dict[tuple[type[Event], str], int] = {}
        """the first route that sends all events of a type to a webhook"""
        self._narrow: dict[tuple[str, object], list[_Route]] = {}
        """the routes with values, by one of their fields and each of its values"""

    def add(self, route: _Route) -> None:
        """Add the next route."""
        if route.config.where:
            keys = [
                [(name, value) for value in _values(wanted)]
                for name, wanted in route.config.where.items()
            ]
            # The field in which most routes differ, so that few of them are compared.
            for key in min(keys, key=lambda some: max(len(self._narrow.get(k, ())) for k in some)):
                self._narrow.setdefault(key, []).append(route)

            return

        for cls in route.types:
            if route.config.stop:
                self._stopped.setdefault(cls, route.number)

            for webhook in _webhooks(route):
                self._posted.setdefault((cls, webhook), route.number)

    def problems(self, route: _Route) -> Iterator[ConfigProblem]:
        """Yield why a route does nothing because of those above it."""
        narrow = list(islice(self._with_all_values_of(route), _MAX_COMPARED))
        stopping = {cls: self._stopping(cls, narrow) for cls in route.types}
        reached = [cls for cls, number in stopping.items() if number is None]
        if not reached:
            numbers = {number for number in stopping.values() if number is not None}
            by = self._name(numbers, "takes them and has 'stop'", "take them and have 'stop'")
            yield route.warning(f"no event reaches this route, since {by}")
            return

        if route.config.stop:
            return

        pairs = [(cls, webhook) for cls in reached for webhook in _webhooks(route)]
        posting = {pair: self._posting(*pair, narrow) for pair in pairs}
        if pairs and None not in posting.values():
            numbers = {number for number in posting.values() if number is not None}
            by = self._name(numbers, "sends its events", "send its events")
            message = f"it changes nothing, since {by} to the same webhooks"
            yield route.warning(f"{message}, and the first route counts: move this one up")

    def _with_all_values_of(self, route: _Route) -> Iterator[_Route]:
        """Yield the routes whose values match each event that has the values of one."""
        where = {name: _values(wanted) for name, wanted in route.config.where.items()}
        for name, values in where.items():
            for other in self._narrow.get((name, next(iter(values))), ()):
                wanted = other.config.where
                if wanted.keys() <= where.keys() and all(
                    where[key] <= _values(wanted[key]) for key in wanted
                ):
                    yield other

    def _stopping(self, cls: type[Event], narrow: Collection[_Route]) -> int | None:
        found = (r.number for r in narrow if r.config.stop and cls in r.types)
        return self._stopped.get(cls, next(found, None))

    def _posting(self, cls: type[Event], webhook: str, narrow: Collection[_Route]) -> int | None:
        for name in (webhook, _ALL):
            found = (r.number for r in narrow if name in _webhooks(r) and cls in r.types)
            number = self._posted.get((cls, name), next(found, None))
            if number is not None:
                return number

        return None

    def _name(self, numbers: Collection[int], does: str, do: str) -> str:
        keys = [f"routes.{number}" for number in sorted(numbers)]
        places = [self._place(key) or key for key in keys]
        if len(places) == 1:
            return f"the route at {places[0]} {does}"

        return f"the routes at {', '.join(places[:-1])} and {places[-1]} {do}"


def _unused_webhooks(config: DiscordConfig) -> Iterator[ConfigProblem]:
    if not config.routes or any(route.webhook is None for route in config.routes):
        return

    named = {name for route in config.routes for name in route.webhook or ()}
    named |= {name for card in config.cards for name in card.webhook}
    if config.alerts is not None:
        named.add(config.alerts.webhook)

    for name in config.all_webhooks():
        if name not in named:
            is_short = name == DEFAULT_WEBHOOK and config.webhook_url is not None
            path = ("webhook_url",) if is_short else ("webhooks", name)
            message = f"no route names this webhook ('{name}'), so nothing is posted there"
            yield ConfigProblem(message, path, warning=True, about_key=True)


def _unused_ages(
    config: DiscordConfig, events: EventRegistry, live: Collection[RouteConfig]
) -> Iterator[ConfigProblem]:
    ages = EventTypes(config.max_age)
    nearest = {cls: ages.nearest(cls) for cls in events.types()}
    missing = {ages[index] for index, _ in ages.unknown(events)}
    for name in ages:
        types = [cls for cls, found in nearest.items() if found == name]
        if name in missing:
            continue

        message = ""
        if not types:
            message = "it never counts, since other keys name its events more precisely"
        elif config.routes and not any(r.events.select(cls) for r in live for cls in types):
            message = "no route takes such events, so it never counts"

        if message:
            yield ConfigProblem(message, ("max_age", name), warning=True, about_key=True)


def _counts(cls: type[Event]) -> bool:
    return not issubclass(cls, PeerLeft) and any(field.name == "count" for field in fields(cls))


def _webhooks(route: _Route) -> Collection[str]:
    return (_ALL,) if route.config.webhook is None else route.config.webhook


def _values(wanted: object) -> frozenset[object]:
    """Return what can be compared with the values of another route."""
    values = wanted if isinstance(wanted, list) else [wanted]
    return frozenset(value if isinstance(value, bool) else str(value) for value in values)
