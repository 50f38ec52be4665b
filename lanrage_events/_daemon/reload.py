"""The reload of a configuration while its bus runs."""

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
"""how long it may take to stop watching; see rust_timeout of watchfiles"""
ONLY_AT_START = ("state_folder", "backend", "log", "watch")
"""keys whose changes take effect at the next start"""


class Reloader:
    """Compares configurations and applies what differs, while everything else continues.

    :param bus: runs the plugins of ``config``
    :param config: what runs now
    :param load: reads and checks the whole configuration again
    """

    def __init__(
        self, bus: EventBus, config: DaemonConfig, load: Callable[[], DaemonConfig]
    ) -> None:
        self._bus = bus
        self._load = load
        self.config = config
        """what runs now"""

    async def reload(self) -> bool:
        """Read and apply the configuration; return whether that succeeded in full.

        A wrong configuration changes nothing. A plugin that did not change continues. One that did
        is replaced and keeps its pending events, or continues unchanged if it cannot start.
        """
        try:
            new = self._load()
        except ConfigError as error:
            for problem in error.problems:
                logger.error("%s", problem)

            logger.error("the configuration has errors, so everything continues unchanged")
            return False

        for warning in new.warnings:
            logger.warning("%s", warning)

        templates_changed = self._follow_settings(new)
        before = {plugin.name: plugin for plugin in self.config.plugins}
        wanted = {plugin.name: plugin for plugin in new.plugins}
        now: dict[str, ConfiguredPlugin] = {}
        changes: list[str] = []
        failed = False
        for name in before.keys() - wanted.keys():
            await self._bus.unregister(name)
            changes.append(f"{name} ended")

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

                what = "is not started" if old is None else "continues unchanged"
                logger.error("plugin '%s' %s: %s", name, what, format_error(error))
            else:
                now[name] = plugin
                changes.append(f"{name} {'started' if old is None else 'changed'}")

        self.config = replace(new, state_folder=self.config.state_folder, plugins=(*now.values(),))
        logger.info("reloaded: %s", ", ".join(changes) or "no plugin changed")
        return not failed

    async def _start(self, plugin: ConfiguredPlugin, *, replaces: bool) -> None:
        made = plugin.make()
        if replaces:
            await self._bus.plugins.replace(plugin.name, made, **plugin.options())
        else:
            await self._bus.plugins.register_and_wait(made, plugin.name, **plugin.options())

    def _follow_settings(self, new: DaemonConfig) -> bool:
        """Apply the keys at the top; return whether the templates' folders changed."""
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
    """Receive reasons to reload: SIGHUP, or a change if the configuration is watched."""
    send, receive = anyio.create_memory_object_stream[str](1)

    def request(reason: str) -> None:
        try:
            send.send_nowait(reason)
        except anyio.WouldBlock:
            return  # a request is already waiting, and will see this change too

    async def listen() -> None:
        with anyio.open_signal_receiver(signal.SIGHUP) as signals:
            async for _ in signals:
                request("SIGHUP")

    async def watch() -> None:
        from watchfiles import awatch  # comes with the extra "daemon"

        # The folder, because an editor may replace the file.
        folder, name = config.file.absolute().parent, config.file.name
        async for _ in awatch(
            folder,
            watch_filter=lambda _, path: Path(path).name == name,
            rust_timeout=WATCH_CANCEL_MILLISECONDS,
            recursive=False,
        ):
            request(f"a change of {config.file}")

    async with send, receive, anyio.create_task_group() as tasks:
        if hasattr(signal, "SIGHUP"):  # Windows has none
            tasks.start_soon(listen)

        if config.settings.watch:
            tasks.start_soon(watch)

        yield receive
        tasks.cancel_scope.cancel()
