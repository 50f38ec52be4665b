"""Which thread of a forum an event is posted in, by the templates of the configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import datetime, timedelta
from functools import partial
from importlib.resources.abc import Traversable

from lanrage_events import ConfigProblem, Event, EventError, Parties, PartyEvent
from lanrage_events.abc import Bus, Person
from lanrage_events.events import EventRegistry, in_utc, sample_event_fields
from lanrage_events.templates import JSONTemplates, TemplateLeaf, utf16_units

from .. import limits
from .._config import DiscordConfig, RouteConfig, WebhookConfig, is_template
from .._embeds import shorten
from .._quiet import find_time_zone
from .._rendering import NamedThread

FALLBACK_NAME = "LANrage"
"""of the thread for what has none, if the configuration names none"""
_LEAF = TemplateLeaf(limit=limits.THREAD_NAME_MAX_CHARACTERS, measure=utf16_units)
_TAG = re.compile(r"[0-9]{1,20}")
_CONTEXT = ("day", "party_name")
MAX_PARTIES = 1000
"""that are followed, those that changed last"""
_NOTHING = NamedThread()


class ThreadNames:
    """Names the threads of forums that events are posted in, and the tags of those threads.

    A template may name each field that some event type has; an event without it has an empty text
    there, but for the name of its party, which is looked up. What has no thread then, or is about no
    event, goes to the webhook's own thread.

    :param config: the configuration, whose routes number those that :meth:`find` is given
    :param bus: knows the event types, the words in values and, by the plugin ``parties``, the parties
        of an earlier run
    :param warn: called once with each problem of a template when it is rendered
    """

    def __init__(
        self, config: DiscordConfig, bus: Bus, warn: Callable[[ConfigProblem], object]
    ) -> None:
        self._config = config
        self._bus = bus
        self._warn = warn
        self._parties = Parties(MAX_PARTIES)
        self._party_name = ""
        """of the party of the last event, if that does not name it and it is known"""
        self.errors: list[ConfigProblem] = []
        """why some texts are no templates"""
        self._of_webhook: Mapping[str, _Templates] = {}
        self._of_route: Mapping[int, _Templates] = {}
        self.reload()
        self.is_empty = not self._of_route and not any(
            is_template(text)
            for one in config.webhooks.values()
            for text in (one.thread_name or "", *one.applied_tags)
        )
        """whether every event goes to the webhook's own thread"""

    def reload(self) -> None:
        """Compile the templates again, since the words in values have changed."""
        self.errors.clear()
        blanks = {item.name: "" for cls in self._bus.events.types() for item in fields(cls)}
        folders = tuple(self._bus.template_folders())
        make = partial(_Templates, folders=folders, blanks=blanks, report=self._report)
        webhooks, routes = self._config.webhooks.items(), enumerate(self._config.routes)
        self._of_webhook = {
            key: make(one, ("webhooks", key))
            for key, one in webhooks
            if one.thread_name or one.applied_tags
        }
        self._of_route = {
            key: make(one, ("routes", key))
            for key, one in routes
            if one.thread_name or one.applied_tags
        }

    def _report(self, problem: ConfigProblem) -> None:
        if problem.warning:
            self._warn(problem)
        else:
            self.errors.append(problem)

    def follow(self, event: Event) -> None:
        """Learn which party an event is about; called with each event, before :meth:`find`."""
        self._party_name = ""
        if isinstance(event, PartyEvent) and not hasattr(event, "party_name"):
            # Before it is followed: a game that has ended is not that of its party any more.
            self._party_name = self._find_party_name(event)

        self._parties.follow(event)

    def _find_party_name(self, event: PartyEvent) -> str:
        others = (getattr(plugin, "parties", None) for plugin in self._bus.plugins.values())
        for parties in (self._parties, *others):
            key = parties.find(event) if isinstance(parties, Parties) else None
            party = parties.get(key) if isinstance(parties, Parties) and key is not None else None
            if party is not None and party.name:
                return party.name

        return ""

    def forget(self, person: Person) -> None:
        """Forget a person in the parties."""
        self._parties.forget(person.is_called, person.is_in)

    def find(self, webhook: str, route: int, event: Event) -> NamedThread:
        """Return the thread of an event that a route sends to a webhook, without a name for its own.

        :param event: the one that :meth:`follow` was called with last
        """
        wanted = filter(None, (self._of_route.get(route), self._of_webhook.get(webhook)))
        found = [one.render(event, self._party_name) for one in wanted]
        name = next(filter(None, (one.name for one in found)), "")
        own = self._config.webhooks.get(webhook)
        if not name or (own is not None and name == own.thread_name):
            return _NOTHING

        return NamedThread(name, next(filter(None, (one.tags for one in found)), ()))

    def own(self, name: str, webhook: WebhookConfig) -> NamedThread:
        """Return the thread of what is about no event, without a name if there is none to create.

        :param name: the webhook's name
        """
        if webhook.thread_name:
            templates = self._of_webhook.get(name)
            found = _NOTHING if templates is None else templates.render(Event())
            return found._replace(name=found.name or FALLBACK_NAME)

        is_forum = any(
            route.thread_name and (route.webhook is None or name in route.webhook)
            for route in self._config.routes
        ) or any(card.thread and name in card.webhook for card in self._config.cards)
        has_thread = webhook.thread_id or self._config.address(webhook).thread_id
        return (
            NamedThread(FALLBACK_NAME, webhook.applied_tags)
            if is_forum and not has_thread
            else _NOTHING
        )

    def check(self, events: EventRegistry) -> None:
        """Report what is wrong with the templates, by a sample of each event type."""
        types = events.types()
        for templates in self._of_webhook.values():
            templates.check(events, types)

        for number, templates in self._of_route.items():
            templates.check(events, filter(self._config.routes[number].events.select, types))


class _Templates:
    """The templates of one webhook or route."""

    def __init__(
        self,
        settings: WebhookConfig | RouteConfig,
        path: tuple[str | int, ...],
        *,
        folders: Iterable[Traversable],
        blanks: Mapping[str, str],
        report: Callable[[ConfigProblem], object],
    ) -> None:
        self._blanks = blanks
        self._path = path
        self._report = report
        self._has_reported_tag = False
        data = {"thread_name": settings.thread_name or "", "applied_tags": [*settings.applied_tags]}
        self._json = JSONTemplates(data, _LEAF, folders, path=path, report=report)

    def render(self, event: Event, party_name: str = "") -> NamedThread:
        """Return the thread of an event, without a name if there is none.

        :param party_name: what its party is called, should the event not say it
        """
        day = partial(_day, event.time)
        context = {**self._blanks, "party_name": party_name, "day": day}
        found = self._json.render(event, context)
        name = shorten(str(found.get("thread_name", "")), limits.THREAD_NAME_MAX_CHARACTERS)
        tags = [str(tag).strip() for tag in found["applied_tags"]]
        good = tuple(dict.fromkeys(filter(_TAG.fullmatch, tags)))
        if any(tags) and len(good) < len({*filter(None, tags)}) and not self._has_reported_tag:
            self._has_reported_tag = True
            message = (
                f"it gives other than the id of a tag for {event.type}, so the tag is left out"
            )
            self._report(ConfigProblem(message, (*self._path, "applied_tags"), warning=True))

        return NamedThread(name, good)

    def check(self, events: EventRegistry, types: Iterable[type[Event]]) -> None:
        """Report what is wrong, by a sample of each of some event types."""
        chosen = list(types)
        self._json.check(chosen, _CONTEXT)
        for cls in chosen:
            with suppress(EventError):
                sample = sample_event_fields(events.json_schema(cls.type))
                self.render(events.from_dict({"type": cls.type, **sample}))


def _day(time: datetime, time_zone: str = "UTC", begins: float = 0) -> str:
    """Return the day of a time, such as ``2026-11-30``.

    :param begins: how many hours after midnight a day begins
    """
    local = in_utc(time).astimezone(find_time_zone(time_zone))
    return (local - timedelta(hours=begins)).date().isoformat()


def thread_problems(config: DiscordConfig, bus: Bus) -> list[ConfigProblem]:
    """Return what is wrong with the names of threads and with tags; warnings among it."""
    problems: list[ConfigProblem] = []
    names = ThreadNames(config, bus, problems.append)
    names.check(bus.events)
    problems += names.errors
    for name, webhook in config.webhooks.items():
        if webhook.applied_tags and not names.own(name, webhook).name:
            message = (
                "no forum post is created for this webhook, so it has no effect: set thread_name"
            )
            path = ("webhooks", name, "applied_tags")
            problems.append(ConfigProblem(message, path, warning=True, about_key=True))

    return problems
