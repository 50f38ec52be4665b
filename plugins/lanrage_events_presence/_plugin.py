"""The plugin: party and game events in, the Discord client's Rich Presence out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from lanrage_events import Health, Metric, PartyEvent, Sample, hookimpl
from lanrage_events.abc import Bus

from ._activity import Activity
from ._config import PresenceConfig
from ._ipc import INSTALL_HINT, DiscordIPC, is_installed
from ._state import PresenceView
from ._updater import Connect, PresenceUpdater

logger = logging.getLogger("lanrage_events.presence")

_NO_CLIENT_ID = (
    "no client_id is set: copy the Application ID of your application in Discord's developer portal"
)

_COUNTERS = {
    "updates": ("presence_updates", "activities that the Discord client accepted"),
    "rejections": ("presence_refused", "activities that the Discord client did not accept"),
    "connections": ("presence_connections", "connections to the Discord client that were made"),
}


class PresencePlugin:
    """Shows the party and its game as Rich Presence of the Discord client on this computer.

    :param config: see :class:`PresenceConfig`
    :param connect: opens a connection to Discord; by default with pypresence to the client that
        runs on this computer
    """

    Config = PresenceConfig
    # Its hook is bounded in time, and who is in a party follows from all of its events.
    when_full = "block"

    def __init__(self, config: PresenceConfig, *, connect: Connect | None = None) -> None:
        self.config = config
        self._needs_pypresence = connect is None
        if connect is None and config.client_id is not None:
            connect = DiscordIPC(config.client_id).connect

        self._connect = connect
        self._view = PresenceView(config)
        self._updater: PresenceUpdater | None = None
        self._counts = Counter[str]()

    @property
    def activity(self) -> Activity | None:
        """What should be shown, ``None`` for nothing."""
        return self._view.activity

    @hookimpl
    def party_event(self, event: PartyEvent) -> None:
        """Learn who is where; a task updates Discord later."""
        self._view.follow(event)
        if self._updater is not None:
            self._updater.wake()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        """Keep Discord up to date; in the end it shows nothing more."""
        self._view.use_templates(bus.template_folders())
        for problem in self._view.check(bus.events.types()):
            logger.error("template %s", problem)

        missing = self._missing()
        if missing or self._connect is None:
            logger.warning("plugin '%s' shows nothing: %s", bus.plugins.name(self), missing)
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

    def _missing(self) -> str:
        """Say what has to be installed or configured before anything can be shown."""
        if self._connect is None:
            return _NO_CLIENT_ID

        return INSTALL_HINT if self._needs_pypresence and not is_installed() else ""

    @hookimpl
    def validate(self, bus: Bus) -> list[str]:
        """Look for problems in the templates, and for what is missing."""
        problems: list[str] = []
        folders = bus.template_folders()
        view = PresenceView(self.config, folders, report=lambda error: problems.append(str(error)))
        problems.extend(view.check(bus.events.types()))
        missing = self._missing()
        if missing:
            problems.append(missing)

        return problems

    @hookimpl
    def health(self) -> Health:
        """Say whether Discord shows what it should."""
        missing = self._missing()
        if missing:
            return Health("failed", missing)

        updater, wanted = self._updater, self.activity
        if updater is None:
            return Health()

        if wanted is None:
            return Health("ok", f"nothing to show{self._why_nothing()}")

        if not updater.is_connected or updater.problem:
            reason = updater.problem or "Discord is looked for"
            return Health("degraded", f"{reason}, so it does not show: {wanted}")

        if updater.rejection:
            return Health("degraded", f"Discord refused it: {updater.rejection}")

        return Health("ok", f"shown: {wanted}")

    def _why_nothing(self) -> str:
        if not self._view.parties:
            return ""

        player, party = self.config.player, self.config.party
        which = "" if party is None else f" called '{party}'"
        return f": no party{which} is known" + ("" if player is None else f" that '{player}' is in")

    @hookimpl
    def metrics(self) -> list[Metric]:
        """Count what happened, and say whether Discord is there."""
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
