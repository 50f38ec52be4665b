"""The reload of a configuration while its bus runs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
from anyio.abc import ObjectReceiveStream

from .._bus import EventBus
from .._exceptions import (
    ConfigError,
    LanrageEventsError,
    PluginError,
    PluginReplaceError,
    format_error,
)
from ..config._build import warnings
from ..config._models import ConfiguredPlugin, DaemonConfig

logger = logging.getLogger(__name__)

WATCH_CANCEL_MILLISECONDS = 500
"""how long it may take to stop watching; see rust_timeout of watchfiles"""
ONLY_AT_START = ("state_folder", "backend", "log", "watch")
"""keys whose changes take effect at the next start"""


@dataclass(slots=True)
class ReloadResult:
    """What a reload did, as the log says it."""

    messages: list[str] = field(default_factory=list)
    """they may have secrets"""
    is_invalid: bool = False
    """whether the configuration has errors"""


class Reloader:
    """Compares configurations and applies what differs, while everything else continues.

    :param bus: runs the plugins of ``config``
    :param config: what runs now
    :param load: reads and checks the whole configuration again; it may be cancelled
    """

    def __init__(
        self, bus: EventBus, config: DaemonConfig, load: Callable[[], Awaitable[DaemonConfig]]
    ) -> None:
        self._bus = bus
        self._load = load
        self.config = config
        """what runs now"""
        self.result = ReloadResult()
        """what the last reload did"""

    async def reload(self) -> bool:
        """Read and apply the configuration; return whether that succeeded in full.

        A wrong configuration changes nothing. A plugin that did not change continues, unless it has
        failed. One that did is replaced and keeps its pending events; if it cannot start, the old one
        goes on.
        """
        self.result = ReloadResult()
        try:
            new = await self._load()
        except ConfigError as error:
            self.result.is_invalid = True
            for problem in error.problems:
                self._log(logging.ERROR, "%s", problem)

            self._log(
                logging.ERROR, "the configuration has errors, so everything continues unchanged"
            )
            return False
        except Exception:
            message = "the configuration cannot be loaded, so everything continues unchanged"
            logger.exception(message)
            self.result.messages.append(message)
            return False

        for warning in new.warnings:
            self._log(logging.WARNING, "%s", warning)

        templates_changed = self._follow_settings(new)
        before = {plugin.name: plugin for plugin in self.config.plugins}
        wanted = {plugin.name: plugin for plugin in new.plugins}
        now: dict[str, ConfiguredPlugin] = {}
        changes: list[str] = []
        started: list[ConfiguredPlugin] = []
        failed: list[str] = []
        for name in before:
            if name not in wanted:
                with suppress(LookupError):
                    await self._bus.unregister(name)

                changes.append(f"{name} ended")

        for name, plugin in wanted.items():
            old = before.get(name)
            if old == plugin and not templates_changed and self._is_running(name):
                self._bus.plugins.update_locations(name, plugin.places)
                now[name] = plugin
                continue

            try:
                await self._start(plugin, replaces=old is not None)
            except Exception as error:  # noqa: BLE001 - from a plugin's own attributes, too
                failed.append(name)
                if old is not None:
                    now[name] = old

                self._log_failure(name, error, is_new=old is None)
            else:
                now[name] = plugin
                started.append(plugin)
                changes.append(f"{name} {'started' if old is None else 'changed'}")

        self.config = replace(new, state_folder=self.config.state_folder, plugins=(*now.values(),))
        for warning in warnings(self._bus, started, self._bus.redactor):
            self._log(logging.WARNING, "%s", warning)

        done = ", ".join(changes) or "no plugin changed"
        if failed:
            self._log(
                logging.ERROR,
                "reloaded in part: %s; the next reload tries again: %s",
                done,
                ", ".join(failed),
            )
            return False

        self._log(logging.INFO, "reloaded: %s", done)
        return True

    def _log(
        self, level: int, message: str, *values: object, exc_info: Exception | None = None
    ) -> None:
        text = message % values
        self.result.messages.append(text)
        logger.log(level, "%s", text, exc_info=exc_info)

    def _is_running(self, name: str) -> bool:
        """Return whether a plugin runs, rather than having failed and waiting for its restart."""
        statistics = self._bus.statistics().plugins.get(name)
        return statistics is not None and statistics.state == "running"

    async def _start(self, plugin: ConfiguredPlugin, *, replaces: bool) -> None:
        made = plugin.make()
        if replaces:
            await self._bus.plugins.replace(plugin.name, made, **plugin.options())
        else:
            await self._bus.plugins.register_and_wait(made, plugin.name, **plugin.options())

    def _log_failure(self, name: str, error: Exception, *, is_new: bool) -> None:
        exc_info: Exception | None = None
        if isinstance(error, PluginReplaceError):
            self._log(logging.ERROR, "%s", error)  # it says which of the two runs now
            return

        if isinstance(error, PluginError):
            reason = error.reason
        elif isinstance(error, LanrageEventsError):
            reason = format_error(error)
        else:
            reason, exc_info = f"cannot be registered: {format_error(error)}", error

        what = "is not started" if is_new else "continues unchanged"
        self._log(logging.ERROR, "plugin '%s' %s: %s", name, what, reason, exc_info=exc_info)

    def _follow_settings(self, new: DaemonConfig) -> bool:
        """Apply the keys at the top; return whether the templates' folders changed."""
        old = self.config.settings
        for key in ONLY_AT_START:
            if getattr(old, key) != getattr(new.settings, key):
                self._log(logging.WARNING, "the change of %s takes effect at the next start", key)

        self._bus.plugins.drain_timeout = new.settings.drain_timeout
        changed = old.templates != new.settings.templates
        self._bus.templates = new.settings.templates
        return changed


@asynccontextmanager
async def reload_requests(
    wait_signal: Callable[[], Awaitable[str]], config: DaemonConfig | None
) -> AsyncIterator[ObjectReceiveStream[str]]:
    """Receive reasons to reload: a signal, or a change if the configuration is watched.

    :param wait_signal: waits for the next signal, and returns its name
    :param config: None if it is not read again
    """
    send, receive = anyio.create_memory_object_stream[str](1)

    def request(reason: str) -> None:
        try:
            send.send_nowait(reason)
        except anyio.WouldBlock:
            return  # a request is already waiting, and will see this change too

    async def listen() -> None:
        while True:
            request(await wait_signal())

    async with send, receive, anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        if config is not None and config.settings.watch:
            tasks.start_soon(_watch, config.file, request)

        yield receive
        tasks.cancel_scope.cancel()


async def _watch(file: Path, request: Callable[[str], None]) -> None:
    """Request a reload whenever a file changes."""
    from watchfiles import awatch  # comes with the extra "daemon"

    # The folder, because an editor may replace the file.
    folder, name = Path.cwd() / file.parent, file.name
    try:
        async for _ in awatch(
            folder,
            watch_filter=lambda _, path: Path(path).name == name,
            rust_timeout=WATCH_CANCEL_MILLISECONDS,
            recursive=False,
        ):
            request(f"a change of {file}")
    except Exception as error:  # noqa: BLE001 - such as too many watches
        logger.error(
            "%s is not watched any more, so reload it with SIGHUP: %s", file, format_error(error)
        )
