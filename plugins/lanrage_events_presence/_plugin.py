"""The plugin: show parties and games as Rich Presence."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from lanrage_events import ConfigProblem, Health, Metric, PartyEvent, Sample, hookimpl
from lanrage_events.abc import Bus, Person

from ._activity import Activity
from ._config import PresenceConfig
from ._ipc import DiscordIPC
from ._state import PresenceView
from ._updater import Connect, PresenceUpdater

logger = logging.getLogger("lanrage_events.presence")

_NO_CLIENT_ID = (
    "no client_id is set: copy the Application ID of your application in Discord's developer portal"
)

_COUNTERS = {
    "updates": ("presence_updates", "activities that the Discord client accepted"),
    "rejections": ("presence_refused", "activities that the Discord client rejected"),
    "connections": ("presence_connections", "connections made to the Discord client"),
}


class PresencePlugin:
    """Show the party and its game as Rich Presence in the Discord client on this computer.

    :param config: see :class:`PresenceConfig`
    :param connect: opens a connection to Discord; by default, to a client on this computer
    """

    Config = PresenceConfig
    # The hook does not take long, and no event of a party may be missing.
    when_full = "block"

    def __init__(self, config: PresenceConfig, *, connect: Connect | None = None) -> None:
        self.config = config
        if connect is None and config.client_id is not None:
            socket = str(config.socket) if isinstance(config.socket, Path) else config.socket
            connect = DiscordIPC(config.client_id, socket).connect

        self._connect = connect
        self._view = PresenceView(config)
        self._is_running = False
        self._updater: PresenceUpdater | None = None
        self._counts = Counter[str]()

    @property
    def activity(self) -> Activity | None:
        """The activity to show, ``None`` for nothing."""
        return self._view.activity

    @hookimpl
    def party_event(self, event: PartyEvent) -> None:
        self._view.follow(event)
        if self._updater is not None:
            self._updater.wake()

    @hookimpl
    def invite_url(self) -> str | None:
        return self.config.invite_url

    @hookimpl
    def forget(self, person: Person) -> dict[str, int]:
        count = self._view.forget(person)
        if self._updater is not None:
            self._updater.wake()

        return {"parties of Rich Presence": count}

    @hookimpl
    def templates_changed(self, bus: Bus) -> list[ConfigProblem]:
        problems = self._view.reload_templates(bus.template_folders(), bus.events.types())
        if self._updater is not None:
            self._updater.wake()

        return problems

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        self._view.use_templates(bus.template_folders())
        for problem in self._view.check(bus.events.types()):
            logger.error("template %s", problem)

        self._is_running = True
        try:
            async with self._showing(bus):
                yield
        finally:
            self._is_running = False

    @asynccontextmanager
    async def _showing(self, bus: Bus) -> AsyncIterator[None]:
        """Update the presence, if there is an application to show it for."""
        if self._connect is None:
            logger.warning("plugin '%s' shows nothing: %s", bus.plugins.name(self), _NO_CLIENT_ID)
            yield
            return

        self._updater = PresenceUpdater(self._connect, lambda: self.activity, self._counts)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._updater.run)
                yield
                tasks.cancel_scope.cancel()
        finally:
            self._updater = None

    @hookimpl
    def validate(self, bus: Bus) -> list[ConfigProblem]:
        view, types = self._view, tuple(bus.events.types())
        if not self._is_running:  # the start has read the templates, which takes a while
            view = PresenceView(self.config, bus.template_folders(), report=lambda _: None)
            view.check(types)

        problems = view.problems(types)
        if self._connect is None:
            # It runs all the same, and shows nothing.
            problems.append(ConfigProblem(_NO_CLIENT_ID, ("client_id",), warning=True))

        return problems

    @hookimpl
    def health(self) -> Health:
        if self._connect is None:
            return Health("failed", _NO_CLIENT_ID)

        updater, wanted = self._updater, self.activity
        if updater is None:
            return Health()

        if wanted is None:
            return Health("ok", f"nothing to show{self._why_nothing()}")

        if not updater.is_connected or updater.problem:
            reason = updater.problem or "connecting to Discord"
            return Health("degraded", f"{reason}, so it does not show: {wanted}")

        if updater.rejection:
            return Health("degraded", f"Discord rejected it: {updater.rejection}")

        return Health("ok", f"shown: {wanted}")

    def _why_nothing(self) -> str:
        if not self._view.parties:
            return ""

        player, party = self.config.player, self.config.party
        which = "" if party is None else f" called '{party}'"
        return f": no party{which} is known" + ("" if player is None else f" that '{player}' is in")

    @hookimpl
    def metrics(self) -> list[Metric]:
        is_connected = self._updater is not None and self._updater.is_connected
        return [
            Metric(
                name="presence_connected",
                help="whether the Discord client is connected, 1 or 0",
                samples=[Sample(float(is_connected))],
            ),
            *(
                Metric(name=name, help=text, kind="counter", samples=[Sample(self._counts[key])])
                for key, (name, text) in _COUNTERS.items()
            ),
        ]
