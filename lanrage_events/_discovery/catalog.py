"""The catalog of plugins: what can be loaded, and a description of each one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Literal

from .._exceptions import PluginLoadError, PluginNotFound, format_error
from .._exit import is_interrupt
from .._hints import OWN_DISTRIBUTION, did_you_mean, install_command, install_hint
from .._threads import call_within
from .entry_points import PLUGINS_GROUP, PluginEntryPoint, UnreadableDistribution, installed
from .files import import_file, place_of, plugin_files
from .loaded import LoadedPlugin, PluginSource, examine
from .required import requires_transform

LIMIT_VARIABLE = "LANRAGE_EVENTS_PLUGINS"
"""the environment variable that limits which plugins may be loaded"""

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
"""the names that a plugin may have"""


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """The description of a plugin that is installed or in the folder."""

    name: str
    version: str | None
    distribution: str | None
    file: Path | None = None
    """the file of a single-file plugin"""
    status: Literal["ok", "broken", "excluded"] = "ok"
    """``excluded`` by the environment variable ``LANRAGE_EVENTS_PLUGINS``"""
    reason: str = ""
    """why it cannot be used, empty if it can"""
    hooks: tuple[str, ...] = ()
    """the names of the hooks that it implements"""
    description: str = ""
    """the first line of its docstring"""


@dataclass(slots=True)
class Catalog:
    """The plugins that are installed, and those of a folder; imported only on demand."""

    sources: tuple[PluginSource, ...]
    unreadable: tuple[UnreadableDistribution, ...] = ()
    """distributions whose list of plugins cannot be read"""
    limit: frozenset[str] | None = None
    """the names of the plugins that may be loaded, ``None`` for all"""
    _loaded: dict[str, LoadedPlugin | PluginLoadError] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, plugin: LoadedPlugin) -> Catalog:
        """Return a catalog that has one plugin, which is imported already."""
        return cls((plugin.source,), _loaded={plugin.source.name: plugin})

    @classmethod
    def discover(
        cls,
        plugins_folder: Path | None = None,
        *,
        environment: Mapping[str, str] = os.environ,
    ) -> Catalog:
        """Return the plugins that are installed in this environment.

        :param plugins_folder: where to look for single-file plugins as well
        :param environment: where ``LANRAGE_EVENTS_PLUGINS`` may limit what is loaded
        """
        found = list(installed(PLUGINS_GROUP))
        plugins = [item for item in found if isinstance(item, PluginEntryPoint)]
        text = environment.get(LIMIT_VARIABLE)
        names = None if text is None else {name.strip() for name in text.split(",")}
        catalog = cls(
            sources=tuple(PluginSource(plugin.entry_point.name, plugin) for plugin in plugins),
            unreadable=tuple(item for item in found if isinstance(item, UnreadableDistribution)),
            limit=None if names is None else frozenset(names - {""}),
        )
        return catalog if plugins_folder is None else catalog.with_folder(plugins_folder)

    def with_folder(self, plugins_folder: Path) -> Catalog:
        """Return a catalog that also has the single-file plugins of a folder."""
        known = {
            os.path.realpath(source.origin)
            for source in self.sources
            if isinstance(source.origin, Path)
        }
        files = [
            path for path in plugin_files(plugins_folder) if os.path.realpath(path) not in known
        ]
        new = [PluginSource(path.stem, path) for path in files]
        return Catalog((*self.sources, *new), self.unreadable, self.limit)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all plugins, sorted."""
        return tuple(sorted({source.name for source in self.sources}))

    @property
    def unknown_limits(self) -> tuple[str, ...]:
        """The names in ``LANRAGE_EVENTS_PLUGINS`` that no plugin has, sorted."""
        return tuple(sorted((self.limit or frozenset()).difference(self.names)))

    def allows(self, name: str) -> bool:
        """Return whether a plugin may be loaded."""
        return self.limit is None or name in self.limit

    def requires_transform(self, name: str) -> bool:
        """Return whether a plugin has a transform that is required, without importing it."""
        return any(requires_transform(s.origin) for s in self.sources if s.name == name)

    def load(self, name: str, *, timeout: float | None = None) -> LoadedPlugin:
        """Import a plugin and examine it.

        :param timeout: seconds that the import may take, in a thread of its own, which is abandoned
            afterwards; None imports it in this thread without a limit
        :raises PluginNotFound: if no distribution and no file has it
        :raises PluginLoadError: if it cannot be used, or may not be loaded
        """
        known = self._loaded.get(name)
        if known is None:
            try:
                known = self._load(name, timeout)
            except PluginLoadError as error:
                known = error

            self._loaded[name] = known

        if isinstance(known, PluginLoadError):
            # A new error each time, or its traceback would grow.
            raise PluginLoadError(name, known.reason) from known.__cause__

        return known

    def describe(self) -> tuple[PluginInfo, ...]:
        """Import every plugin that may be loaded, and describe each one."""
        infos = [self._describe(source) for source in self.sources]
        infos += [
            PluginInfo("", item.version, item.distribution, status="broken", reason=item.reason)
            for item in self.unreadable
        ]
        return tuple(sorted(infos, key=lambda info: (info.name, info.distribution or "")))

    def _describe(self, source: PluginSource) -> PluginInfo:
        info = partial(
            PluginInfo,
            source.name,
            source.version,
            source.distribution,
            source.origin if isinstance(source.origin, Path) else None,
        )
        if not self.allows(source.name):
            return info(status="excluded", reason=f"{LIMIT_VARIABLE} does not name it")

        try:
            loaded = self.load(source.name)
        except PluginLoadError as error:
            return info(status="broken", reason=error.reason)

        return info(hooks=loaded.hooks, description=loaded.description)

    def _load(self, name: str, timeout: float | None) -> LoadedPlugin:
        sources = [source for source in self.sources if source.name == name]
        if not sources:
            raise PluginNotFound(name, f"no such plugin is installed{self._hint(name)}")

        if not self.allows(name):
            raise PluginLoadError(name, f"{LIMIT_VARIABLE} does not name it")

        if len(sources) > 1:
            origins = " and ".join(str(source) for source in sources)
            raise PluginLoadError(name, f"is offered by {origins}: remove one of them")

        source = sources[0]
        try:
            target = _import(source, timeout)
        except BaseException as error:
            if is_interrupt(error):
                raise

            message = f"cannot be imported{_reason(error, source)}"
            raise PluginLoadError(name, message) from error

        return examine(source, target)

    def _hint(self, name: str) -> str:
        hint = did_you_mean(name, self.names)
        if not hint and name in _own_extras():
            hint = f": '{name}' is an extra, {install_command(name)}"

        for item in self.unreadable:
            hint += f"; of {item.distribution or 'a distribution'}, {item.reason}"

        return hint


def _own_extras() -> list[str]:
    try:
        return metadata(OWN_DISTRIBUTION).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []


def _import(source: PluginSource, timeout: float | None) -> object:
    origin = source.origin
    load: Callable[[], object] = (
        origin.entry_point.load
        if isinstance(origin, PluginEntryPoint)
        else partial(import_file, origin)
    )
    if timeout is None:
        return load()

    return call_within(load, timeout, f"importing the plugin '{source.name}' ({source})")


def _reason(error: BaseException, source: PluginSource) -> str:
    if isinstance(error, SyntaxError):
        reason = f"SyntaxError: {error.msg}"
    else:
        reason = install_hint(error, source.distribution) or format_error(error)

    if isinstance(source.origin, Path):
        return f": {place_of(error, source.origin)}: {reason}"

    return f" ({source}): {reason}"


def is_name(name: str) -> bool:
    """Return whether a plugin may have this name."""
    return re.fullmatch(NAME_PATTERN, name) is not None
