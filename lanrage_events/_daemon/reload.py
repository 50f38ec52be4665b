"""The reload of a configuration while its bus runs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from .._bus import EventBus
from .._exceptions import (
    ConfigError,
    LanrageEventsError,
    PluginError,
    PluginReplaceError,
    format_error,
)
from .._reports import ConfigProblem
from .._rules import HidingKey
from .._threads import call_in_thread
from ..config._build import warnings
from ..config._models import ConfiguredPlugin, DaemonConfig
from ..config._rules import ConfiguredRules
from .template_files import TemplateFiles

logger = logging.getLogger(__name__)

TEMPLATES_HOOK = "templates_changed"
"""the hook of plugins that read templates"""
TRANSFORM_HOOK = "transform"
ONLY_AT_START = ("state_folder", "backend", "log", "watch")
"""keys whose changes take effect at the next start"""
_MAX_SHOWN = 3


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
    :param load: reads and checks the whole configuration again, given what runs now; it may be
        cancelled
    """

    def __init__(
        self,
        bus: EventBus,
        config: DaemonConfig,
        load: Callable[[DaemonConfig], Awaitable[DaemonConfig]],
    ) -> None:
        self._bus = bus
        self._load = load
        self.config = config
        """what runs now"""
        self.result = ReloadResult()
        """what the last reload did"""
        # Before the plugins read them, so that no change between is missed.
        self._templates = TemplateFiles(bus.template_folders())
        self._template_errors: list[str] = []
        """the places of the errors of templates"""

    @property
    def watched_folders(self) -> tuple[Path, ...]:
        """The folders of the templates, and that of plugins if there is one."""
        plugins = self.config.settings.plugins_folder
        return (*self._templates.folders, *([] if plugins is None else [plugins]))

    async def reload(self) -> bool:
        """Read and apply the configuration; return whether that succeeded in full.

        A wrong configuration changes nothing. A plugin that did not change continues, unless it has
        failed. One that did is replaced and keeps its pending events; if it cannot start, the old one
        goes on. If templates changed, the plugins that use them read them again.
        """
        self.result = ReloadResult()
        try:
            new = await self._load(self.config)
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

        self._follow_settings(new)
        rules, changes, failed = await self._follow_rules(new.rules)
        types, files = self._bus.events.types(), await self._read_templates()
        before = {plugin.name: plugin for plugin in self.config.plugins}
        wanted = {plugin.name: plugin for plugin in new.plugins}
        now: dict[str, ConfiguredPlugin] = {}
        started: list[ConfiguredPlugin] = []
        ending = [plugin for name, plugin in before.items() if name not in wanted]
        # What transforms events goes on until what may take its place has started.
        last = [plugin for plugin in ending if TRANSFORM_HOOK in plugin.plugin.hooks]
        await self._end((plugin for plugin in ending if plugin not in last), changes)
        for name, plugin in wanted.items():
            old = before.get(name)
            if old == plugin and self._is_running(name):
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

        if any(name in failed and TRANSFORM_HOOK in p.plugin.hooks for name, p in wanted.items()):
            now |= {plugin.name: plugin for plugin in last}
            for plugin in last:
                why = "since what may take its place has not started"
                self._log(
                    logging.WARNING, "plugin '%s' still transforms events, %s", plugin.name, why
                )
        else:
            await self._end(last, changes)

        self._bus.plugins.sort(wanted)
        self.config = replace(
            new, state_folder=self.config.state_folder, plugins=(*now.values(),), rules=rules
        )
        for warning in warnings(self._bus, started, self._bus.redactor):
            self._log(logging.WARNING, "%s", warning)

        now_files = await self._read_templates()
        is_same = types == self._bus.events.types()
        up_to_date = [plugin.name for plugin in started if _reads_templates(plugin)]
        if not is_same or now_files.changed_since(files):
            up_to_date.clear()

        in_any_case = not is_same or bool(self._template_errors)
        changes += self._follow_templates(now_files, up_to_date, in_any_case=in_any_case)
        if self._template_errors:
            failed.append(f"the templates with errors ({_shown(self._template_errors)})")

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

    async def _read_templates(self) -> TemplateFiles:
        read = partial(TemplateFiles, self._bus.template_folders())
        return await call_in_thread(read, "reading the templates")

    def _follow_templates(
        self, now: TemplateFiles, up_to_date: Collection[str], *, in_any_case: bool
    ) -> list[str]:
        """Have the plugins read the templates again if they have changed; return what did.

        :param up_to_date: the plugins that have just read them
        """
        changed = now.changed_since(self._templates)
        if changed or now.folders != self._templates.folders:
            self._templates = now

        plugins: dict[str, list[ConfigProblem]] = {}
        if changed or in_any_case:
            plugins = self._bus.plugins.reload_templates(skip=up_to_date)

        readers = [*plugins, *up_to_date]
        for plugin in filter(_reads_templates, self.config.plugins):
            name = plugin.name
            if name not in plugins and self._is_running(name):
                plugins[name] = [p for p in self._bus.plugins.problems(name) if p.place]

        found = dict.fromkeys(problem for problems in plugins.values() for problem in problems)
        errors = [problem for problem in found if not problem.warning]
        self._template_errors = list(dict.fromkeys(error.place or str(error) for error in errors))
        # The plugin logs them when it reads them.
        self.result.messages.extend(f"template {error}" for error in errors)
        if not changed:
            return []

        for_whom = f" for {', '.join(readers)}" if readers else ""
        return [f"templates changed{for_whom} ({_shown(changed)})"]

    async def _follow_rules(
        self, new: ConfiguredRules
    ) -> tuple[ConfiguredRules, list[str], list[str]]:
        """Apply the rules; return those that run now, what changed, and what failed.

        They come before the plugins: a new plugin must not receive what a new rule hides.
        """
        old, folder = self.config.rules, self.config.state_folder
        if new == old:
            return old, [], []

        try:
            await call_in_thread(partial(new.open_key, folder), "opening the key of the rules")
        except ConfigError as error:
            self._log(logging.ERROR, "the rules continue unchanged: %s", format_error(error))
            return old, [], ["rules"]

        self._bus.rules = new.make(HidingKey(folder))
        return new, ["rules changed"], []

    async def _end(self, plugins: Iterable[ConfiguredPlugin], changes: list[str]) -> None:
        for plugin in plugins:
            with suppress(LookupError):
                await self._bus.unregister(plugin.name)

            changes.append(f"{plugin.name} ended")

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

    def _follow_settings(self, new: DaemonConfig) -> None:
        """Apply the keys at the top."""
        for key in ONLY_AT_START:
            if getattr(self.config.settings, key) != getattr(new.settings, key):
                self._log(logging.WARNING, "the change of %s takes effect at the next start", key)

        self._bus.plugins.drain_timeout = new.settings.drain_timeout
        self._bus.templates = new.settings.templates


def _reads_templates(plugin: ConfiguredPlugin) -> bool:
    return TEMPLATES_HOOK in plugin.plugin.hooks


def _shown(things: Sequence[object]) -> str:
    """Return the first of some things as text, and how many more there are."""
    shown = ", ".join(map(str, things[:_MAX_SHOWN]))
    return f"{shown} and {len(things) - _MAX_SHOWN} more" if len(things) > _MAX_SHOWN else shown
