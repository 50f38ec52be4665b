"""The plugin: it keeps the parties, and fills in what joins and leaves do not say."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import anyio

from lanrage_events import (
    Event,
    EventDropped,
    EventNotTransformed,
    Health,
    Metric,
    Parties,
    PartyEvent,
    Sample,
    hookimpl,
)
from lanrage_events.abc import Bus, Person
from lanrage_events.backoff import Backoff, in_words
from lanrage_events.cli import counted, error_text, safe_text
from lanrage_events.http import Page, Route
from lanrage_events.state import Database

from ._api import PartiesAPI
from ._config import PartiesConfig
from ._details import LOST_AFTER, Details
from ._ending import Ending
from ._screen import LastEvents, ScreenAPI
from ._state import SCHEMA, State

logger = logging.getLogger("lanrage_events.parties")


def parties_file(state_folder: Path, name: str) -> Path:
    """Return the file of a plugin, by its name."""
    return state_folder / f"{name}.parties"


class PartiesPlugin:
    """Keeps who is in which party, over restarts, and publishes when a party is over.

    :param config: see :class:`PartiesConfig`
    """

    Config = PartiesConfig
    durable = True
    when_full = "block"
    transform_fills_in = True

    def __init__(self, config: PartiesConfig) -> None:
        self.config = config
        self.version: int = 0
        """grows with each change of a party"""
        self._state = State(Database(None, SCHEMA))
        self._details = Details(self._state)
        self._ending = Ending(config)
        self._last_events = LastEvents()
        self._bus: Bus | None = None
        self._changed = anyio.Event()
        self._is_running = False

    @property
    def parties(self) -> Parties:
        """The parties as of the events that were handled; they are only to be read."""
        return self._state.parties

    async def changed(self, version: int) -> None:
        """Wait until :attr:`version` is another one."""
        while self.version == version:
            await self._changed.wait()

    @hookimpl
    def transform(self, event: PartyEvent) -> PartyEvent:
        """Fill in what is known about the player of a join or a leave."""
        return self._details.fill(event)

    @hookimpl
    async def event_batch(self, events: Sequence[Event]) -> Mapping[int, Exception] | None:
        """Update the parties, and write them to the disk."""
        followed = {n: event for n, event in enumerate(events) if isinstance(event, PartyEvent)}
        if not followed:
            return None

        recaps = len(self._state.ended)
        arrived: list[tuple[PartyEvent, Sequence[str]]] = []
        failed: dict[int, Exception] = {}
        with self._details.working():
            for number, event in followed.items():
                try:
                    keys = self._state.follow(event)
                    arrived.append((event, keys))
                    self._last_events.add(event, keys)
                except Exception as error:  # noqa: BLE001 - raised for this event alone
                    failed[number] = error

            self._details.arrived(arrived)
            self._note({key for _, keys in arrived for key in keys})
            if len(self._state.ended) > recaps:
                self._ending.wake()

            try:
                await self._state.save()
            except OSError as error:
                return dict.fromkeys(followed, error)

        return failed

    def _path(self, bus: Bus) -> Path | None:
        return bus.state_folder and parties_file(bus.state_folder, bus.plugins.name(self))

    def _note(self, keys: Collection[str]) -> None:
        """Note that parties changed."""
        for key in keys:
            party = self.parties.get(key)
            self._ending.update(key, party)
            if party is None:
                self._last_events.drop(key)

        if keys:
            self._renew()

    def _renew(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = anyio.Event()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        """Read what is kept, and end the parties that are over."""
        self._bus = bus
        path = self._path(bus)
        if path is None:
            logger.info(
                "there is no state folder, so the parties of plugin '%s' are in memory",
                bus.plugins.name(self),
            )

        async with State.opened(path, bus.events.from_json) as (state, ahead):
            self._state, self._ending = state, Ending(self.config)
            for party in state.parties:
                self._ending.load(party)

            self._details.continue_from(state, ahead)
            self._renew()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._end_parties, bus)
                with self._details.serving():
                    self._is_running = True
                    try:
                        yield
                    finally:
                        self._is_running = False

                tasks.cancel_scope.cancel()

    async def _end_parties(self, bus: Bus) -> None:
        """End parties when they are over, and publish that."""
        pause = Backoff(1.0, 300.0)
        while True:
            until = math.inf
            try:
                if self._end_due() or self._state.ended:
                    await self._state.save()
                    await self._publish_ended(bus)

                pause.reset()
            except (OSError, EventDropped, EventNotTransformed, ExceptionGroup) as error:
                seconds = pause.next()
                until = anyio.current_time() + seconds
                logger.warning(
                    "that a party ended is published in %g seconds, since now it cannot be: %s",
                    seconds,
                    "; ".join(map(error_text, getattr(error, "exceptions", [error]))),
                )

            await self._ending.wait(until)

    def _end_due(self) -> list[str]:
        """End the parties that are over, so that who comes now begins another one."""
        ended: list[str] = []
        for key in self._ending.due():
            party = self.parties.get(key)
            if party is not None and not self._details.end(key, party.last_change):
                # An event is on its way that may keep it, or is lost.
                self._ending.postpone(key, LOST_AFTER.total_seconds())
                continue

            ended.append(key)
            if party is None:
                continue

            if party.members:
                logger.warning(
                    "party '%s' is over: there was no event for %s, and %s had not left",
                    safe_text(party.name or key),
                    in_words(self.config.stale_after),
                    counted(len(party.members), "member"),
                )

            self._state.end(party, self._ending.time_of(party))

        self._note(ended)
        return ended

    async def _publish_ended(self, bus: Bus) -> None:
        for id, event in list(self._state.ended.items()):
            try:
                # With the same id each time, by which those who got it before recognize it.
                await bus.publish_and_wait(event, "durable")
            except anyio.ClosedResourceError:
                return  # the next start publishes it
            except EventNotTransformed as error:
                if not error.failed:
                    raise

                logger.error("that a party ended is not published: %s", error)

            self._state.published(id)
            await self._state.save()

    @hookimpl
    async def forget(self, person: Person, bus: Bus) -> dict[str, int]:
        """Remove a person from the parties, the visitors and the recaps."""
        if self._is_running:
            removed = await self._state.forget(person)
            self._details.continue_from(self._state)
            self._last_events.clear()
            self._renew()
            return removed

        path = self._path(bus)
        if path is None or not path.exists():
            return {}

        async with State.opened(path, bus.events.from_json) as (state, _):
            return await state.forget(person)

    @hookimpl
    def http_routes(self) -> Iterable[Route]:
        """Return the operations of the API."""
        screen = ScreenAPI(lambda: self.parties, self._last_events, self._invite_url)
        return (screen.route(), *PartiesAPI(lambda: self.parties).routes())

    def _invite_url(self) -> str | None:
        """Return the first invite that a plugin has."""
        urls = {} if self._bus is None else self._bus.query("invite_url")
        return next(filter(None, urls.values()), None)

    @hookimpl
    def http_pages(self) -> Iterable[Page]:
        """Return the part of the page that shows who is on."""
        return [Page(title="Who is on", folder=files("lanrage_events_parties") / "page")]

    @hookimpl
    def health(self) -> Health:
        """Report how many parties there are, or why they cannot be kept."""
        if self._state.problem is not None:
            return Health("degraded", f"the parties cannot be written: {self._state.problem}")

        count = len(self.parties)
        parties = "1 party" if count == 1 else f"{count:,} parties"
        return Health("ok", f"{parties}, {counted(self._ending.members, 'member')}")

    @hookimpl
    def metrics(self) -> list[Metric]:
        """Return how many parties and members there are."""
        return [
            Metric(
                name="parties",
                help="parties that are not over",
                samples=[Sample(len(self.parties))],
            ),
            Metric(
                name="party_members",
                help="members of all parties",
                samples=[Sample(self._ending.members)],
            ),
            Metric(
                name="parties_bounded",
                help="what was left out, since there are bounds: parties, members, visitors, games",
                kind="counter",
                samples=[Sample(n, {"what": what}) for what, n in self.parties.bounded.items()],
            ),
        ]
