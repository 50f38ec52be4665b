"""Brings a running bus to a configuration that has changed."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
from anyio.abc import ObjectReceiveStream

from .._bus import EventBus
from .._exceptions import ConfigError, LanrageEventsError, format_error
from ..config._models import ConfiguredPlugin, DaemonConfig

logger = logging.getLogger(__name__)

WATCH_CANCEL_MILLISECONDS = 500
"""how long stopping to watch may take; see rust_timeout of watchfiles"""
ONLY_AT_START = ("state_folder", "backend", "log", "watch")
"""keys whose change waits for the next start"""


class Reloader:
    """Compares configurations and changes what differs, while everything else goes on.

    :param bus: runs the plugins of ``config``
    :param config: what runs now
    :param load: reads and checks the configuration anew, as a whole
    """

    def __init__(
        self, bus: EventBus, config: DaemonConfig, load: Callable[[], DaemonConfig]
    ) -> None:
        self._bus = bus
        self._load = load
        self.config = config
        """what runs now"""

    async def reload(self) -> bool:
        """Read the configuration and follow it; return whether that succeeded in full.

        One that is wrong changes nothing. A plugin that did not change goes on, one that did is
        replaced and keeps what is pending, and one that cannot start as it is now goes on as it
        was.
        """
        try:
            new = self._load()
        except ConfigError as error:
            for problem in error.problems:
                logger.error("%s", problem)

            logger.error("the configuration has errors, so everything goes on as it was")
            return False

        for warning in new.warnings:
            logger.warning("%s", warning)

        templates_changed = self._follow_settings(new)
        before = {plugin.name: plugin for plugin in self.config.plugins}
        wanted = {plugin.name: plugin for plugin in new.plugins}
        now: dict[str, ConfiguredPlugin] = {}
        told: list[str] = []
        failed = False
        for name in before.keys() - wanted.keys():
            await self._bus.unregister(name)
            told.append(f"{name} ended")

        for name, plugin in wanted.items():
            old = before.get(name)
            if old == plugin and not templates_changed:
                self._bus.plugins.update_locations(name, plugin.places)
                now[name] = plugin
                continue

            try:
                await self._start(plugin, replaces=old is not None)
            except LanrageEventsError as error:
                failed = True
                if old is not None:
                    now[name] = old

                what = "is not started" if old is None else "goes on as it was"
                logger.error("plugin '%s' %s: %s", name, what, format_error(error))
            else:
                now[name] = plugin
                told.append(f"{name} {'started' if old is None else 'changed'}")

        self.config = replace(new, state_folder=self.config.state_folder, plugins=(*now.values(),))
        logger.info("reloaded: %s", ", ".join(told) or "no plugin changed")
        return not failed

    async def _start(self, plugin: ConfiguredPlugin, *, replaces: bool) -> None:
        made = plugin.make()
        if replaces:
            await self._bus.plugins.replace(plugin.name, made, **plugin.options())
        else:
            await self._bus.plugins.register_and_wait(made, plugin.name, **plugin.options())

    def _follow_settings(self, new: DaemonConfig) -> bool:
        """Take over the keys at the top; return whether the templates' folders changed."""
        old = self.config.settings
        for key in ONLY_AT_START:
            if getattr(old, key) != getattr(new.settings, key):
                logger.warning("the change of %s takes effect at the next start", key)

        self._bus.plugins.drain_timeout = new.settings.drain_timeout
        changed = old.templates != new.settings.templates
        self._bus.templates = new.settings.templates
        return changed


@asynccontextmanager
async def reload_requests(config: DaemonConfig) -> AsyncIterator[ObjectReceiveStream[str]]:
    """Receive why to reload: because of SIGHUP, or of a change if the configuration is watched."""
    send, receive = anyio.create_memory_object_stream[str](1)

    def tell(reason: str) -> None:
        try:
            send.send_nowait(reason)
        except anyio.WouldBlock:
            return  # one is waiting already, and it will see this change too

    async def listen() -> None:
        with anyio.open_signal_receiver(signal.SIGHUP) as signals:
            async for _ in signals:
                tell("SIGHUP")

    async def watch() -> None:
        from watchfiles import awatch  # comes with the extra "daemon"

        # The folder and not the file, which an editor may replace by another one.
        folder, name = config.file.absolute().parent, config.file.name
        async for _ in awatch(
            folder,
            watch_filter=lambda _, path: Path(path).name == name,
            rust_timeout=WATCH_CANCEL_MILLISECONDS,
            recursive=False,
        ):
            tell(f"a change of {config.file}")

    async with send, receive, anyio.create_task_group() as tasks:
        if hasattr(signal, "SIGHUP"):  # Windows has none
            tasks.start_soon(listen)

        if config.settings.watch:
            tasks.start_soon(watch)

        yield receive
        tasks.cancel_scope.cancel()
