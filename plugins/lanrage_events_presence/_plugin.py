"""The plugin: party and game events in, the Discord client's Rich Presence out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from lanrage_events import Health, Metric, PartyEvent, Sample, hookimpl
from lanrage_events.abc import Bus

from ._activity import Activity
from ._config import PresenceConfig
from ._ipc import INSTALL_HINT, DiscordIPC, is_installed
from ._state import PresenceView
from ._updater import Connect, Presenter

logger = logging.getLogger("lanrage_events.presence")

_NO_CLIENT_ID = (
    "no client_id is set: copy the Application ID of your application in Discord's developer portal"
)


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
        self._connect = connect
        self._view = PresenceView(config)
        self._presenter: Presenter | None = None
        self._earlier = (0, 0, 0)
        """what earlier lives have done: updates, refused, connections"""

    @property
    def activity(self) -> Activity | None:
        """What should be shown, ``None`` for nothing."""
        return self._view.activity

    @hookimpl
    def party_event(self, event: PartyEvent) -> None:
        """Learn who is where; Discord is told later, by a task."""
        self._view.follow(event)
        if self._presenter is not None:
            self._presenter.wake()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        """Keep Discord told; in the end it shows nothing more."""
        self._view.use_templates(bus.template_folders())
        for problem in self._view.check(bus.events.types()):
            logger.error("template %s", problem)

        connect = self._connect or self._make_connect()
        if connect is None:
            logger.warning("plugin '%s' shows nothing: %s", bus.plugins.name(self), self._missing())
            yield
            return

        self._presenter = presenter = Presenter(connect, lambda: self._view.activity)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(presenter.run)
                yield
                tasks.cancel_scope.cancel()
        finally:
            self._earlier = self._totals()
            self._presenter = None

    def _make_connect(self) -> Connect | None:
        if self._missing() or self.config.client_id is None:
            return None

        return DiscordIPC(self.config.client_id).connect

    def _missing(self) -> str:
        """Say what has to be installed or configured before anything can be shown."""
        if self._connect is not None:
            return ""

        if self.config.client_id is None:
            return _NO_CLIENT_ID

        return "" if is_installed() else INSTALL_HINT

    @hookimpl
    def validate(self, bus: Bus) -> list[str]:
        """Look for faults in the templates, and for what is missing."""
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

        presenter, wanted = self._presenter, self.activity
        if presenter is None:
            return Health()

        if wanted is None:
            return Health("ok", f"nothing to show{self._why_nothing()}")

        if not presenter.is_connected or presenter.problem:
            reason = presenter.problem or "Discord is looked for"
            return Health("degraded", f"{reason}, so it does not show: {wanted}")

        if presenter.refusal:
            return Health("degraded", f"Discord refused it: {presenter.refusal}")

        return Health("ok", f"shown: {wanted}")

    def _why_nothing(self) -> str:
        if not self._view.parties:
            return ""

        player, party = self.config.player, self.config.party
        which = "" if party is None else f" called '{party}'"
        return f": no party{which} is known" + ("" if player is None else f" that '{player}' is in")

    def _totals(self) -> tuple[int, int, int]:
        updates, refused, connections = self._earlier
        if self._presenter is not None:
            updates += self._presenter.updates
            refused += self._presenter.refused
            connections += self._presenter.connections

        return updates, refused, connections

    @hookimpl
    def metrics(self) -> list[Metric]:
        """Count what happened, and say whether Discord is there."""
        is_connected = self._presenter is not None and self._presenter.is_connected
        updates, refused, connections = self._totals()
        return [
            Metric(
                name="presence_connected",
                help="whether the Discord client is connected, 1 or 0",
                samples=[Sample(float(is_connected))],
            ),
            Metric(
                name="presence_updates",
                help="activities that the Discord client accepted",
                kind="counter",
                samples=[Sample(updates)],
            ),
            Metric(
                name="presence_refused",
                help="activities that the Discord client did not accept",
                kind="counter",
                samples=[Sample(refused)],
            ),
            Metric(
                name="presence_connections",
                help="connections to the Discord client that were made",
                kind="counter",
                samples=[Sample(connections)],
            ),
        ]
