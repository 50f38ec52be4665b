"""The intake: what becomes of events, on cards, in the outbox for lanes, or nowhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from anyio.lowlevel import checkpoint

from lanrage_events import Event, PartyEnded

from ._api import Runtime
from ._config import DiscordConfig, RouteConfig
from ._delivery import EarlierEntries, EarlierEntry, OutgoingEntry
from ._rendering import Renderer
from ._routing import NOT_TAKEN, Router, ThreadNames, UnroutedEvents, party_keys

_SLICE_SECONDS = 0.02
"""of rendering, after which other tasks run"""


class Intake:
    """Puts events on cards, and into the outbox, once for each webhook that posts them.

    :param config: that of the plugin
    :param wall_clock: returns the seconds since 1970
    """

    def __init__(self, config: DiscordConfig, wall_clock: Callable[[], float]) -> None:
        self.unsent = 0
        """events that came while there was no webhook, or that earlier runs did not deliver"""
        self.unrouted = UnroutedEvents(by_routes=bool(config.routes))
        self.earlier = EarlierEntries()
        """what waits in the outbox since before the start"""
        self.thread_names: ThreadNames | None = None
        self._max_age = config.max_age
        self._wall_clock = wall_clock
        self._routes: tuple[RouteConfig, ...] = config.routes
        self._routed: frozenset[str] = frozenset()
        """the names of the webhooks that the router knows"""
        self._router = self._make_router(())

    def _make_router(self, webhooks: Iterable[str]) -> Router:
        names, clock = self.thread_names, self._wall_clock
        return Router(self._routes, webhooks, self._max_age, wall_clock=clock, threads=names)

    async def put(
        self, events: Sequence[Event], runtime: Runtime | None
    ) -> Mapping[int, Exception]:
        """Take events in; return what kept those from it that are to come again, by position.

        :param runtime: None if they are given up, since the plugin does not run
        """
        if runtime is None:
            self.unsent += len(events)
            return {}

        on_cards, failures = await runtime.cards.follow(events)
        outgoing: list[OutgoingEntry] = []
        repeated: dict[int, list[EarlierEntry]] = {}
        configured, routes = runtime.lanes.configured, runtime.setup.routes
        if configured is not self._router.webhooks or routes is not self._routes:
            self._routes = routes
            self._router, self._routed = self._make_router(configured), frozenset(configured)

        began = time.perf_counter()
        for position, event in enumerate(events):
            if position in failures:
                continue

            # Nothing is put before all are rendered, so a cancellation here loses nothing.
            if time.perf_counter() - began >= _SLICE_SECONDS:
                await checkpoint()
                began = time.perf_counter()

            try:
                shown = on_cards.get(position, {})
                outgoing += self._address(position, event, runtime.renderer, repeated, shown)
            except Exception as error:  # noqa: BLE001 - a bad event does not fail the others
                failures[position] = error

        failures |= await runtime.lanes.put(outgoing)
        for event in events:
            if isinstance(event, PartyEnded):
                runtime.lanes.forget_mentions(party_keys(event))

        if repeated:
            # What failed in another lane comes again.
            accepted = (found for position, found in repeated.items() if position not in failures)
            self.earlier.skip([entry for found in accepted for entry in found])

        return failures

    def _address(
        self,
        position: int,
        event: Event,
        renderer: Renderer,
        repeated: dict[int, list[EarlierEntry]],
        on_cards: Mapping[str, str],
    ) -> Iterable[OutgoingEntry]:
        """Build the outgoing entries of an event, one per destination lane.

        :param repeated: gets those that wait in the outbox since before the start, by position
        :param on_cards: the webhooks that show the event on a card, with the post where it is a message,
            too; empty if it is none
        """
        routed = self._router.route(event)
        known = self._routed.difference(name for name, post in on_cards.items() if not post)
        destinations = {
            name: shown.in_thread(on_cards[name]) if name in on_cards else shown
            for name, shown in routed.items()
            if name in known
        }
        if not destinations:
            if on_cards:
                pass
            elif routed is NOT_TAKEN:
                self.unrouted.add(event.type)
            elif routed or not self._routed:
                self.unsent += 1

            return []

        entry = renderer.render(event)
        expires = self._router.expires(event)
        body = ""
        outgoing: list[OutgoingEntry] = []
        for webhook, presentation in destinations.items():
            if not body or presentation != entry.presentation:
                if presentation is not entry.presentation:
                    entry = replace(entry, presentation=presentation)

                body = entry.to_json()

            if (earlier := self.earlier.find(webhook, event.id, body)) is not None:
                repeated.setdefault(position, []).append(earlier)
                continue

            outgoing.append(OutgoingEntry(position, webhook, entry, body, expires))

        return outgoing
