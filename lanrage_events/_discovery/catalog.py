"""The catalog of plugins: what can be loaded, and what each one is."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, TypeGuard, cast

from .._exceptions import PluginLoadError, PluginNotFound, format_error
from .._exit import is_interrupt
from .._hints import OWN_DISTRIBUTION, did_you_mean, install_command, install_hint
from .._threads import call_within
from .entry_points import PLUGINS_GROUP, PluginEntryPoint, UnreadableDistribution, installed
from .files import import_file, place_of, plugin_files

if TYPE_CHECKING:
    from pydantic import BaseModel

LIMIT_VARIABLE = "LANRAGE_EVENTS_PLUGINS"
"""the environment variable that limits which plugins may be loaded"""

COMMON_KEYS = ("use", "mailbox", "hook_timeout", "start_timeout")
"""the keys in the section of every plugin"""

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
"""the names that a plugin may have"""

_IMPL = f"{PLUGINS_GROUP}_impl"  # the attribute that our marker sets, as pluggy names it
_ON = f"{PLUGINS_GROUP}_on"  # the one that the decorator for event classes sets


@dataclass(frozen=True, slots=True)
class PluginSource:
    """Where a plugin comes from: an entry point of a distribution, or a single file."""

    name: str
    origin: PluginEntryPoint | Path

    @property
    def distribution(self) -> str | None:
        """The distribution of the plugin, ``None`` for a file."""
        return self.origin.distribution if isinstance(self.origin, PluginEntryPoint) else None

    @property
    def version(self) -> str | None:
        """The version of the distribution, ``None`` for a file."""
        return self.origin.version if isinstance(self.origin, PluginEntryPoint) else None

    def __str__(self) -> str:
        prefix = "the file " if isinstance(self.origin, Path) else ""
        return f"{prefix}{self.origin}"


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that was imported and can be created."""

    source: PluginSource
    target: type[object] | ModuleType
    """its class, or the module that it is"""
    config_class: type[BaseModel] | None
    """the model of its configuration, ``None`` if it has none"""
    hooks: tuple[str, ...]
    """the names of the hooks that it implements"""

    @property
    def is_module(self) -> bool:
        """Whether it is a module of hookimpls, which can run only once."""
        return isinstance(self.target, ModuleType)

    @property
    def description(self) -> str:
        """The first line of its docstring, or of its module's."""
        text = self.target.__doc__
        if not text and isinstance(self.target, type):
            text = sys.modules[self.target.__module__].__doc__

        return (text or "").strip().partition("\n")[0]

    def make(self, config: BaseModel | None = None) -> object:
        """Create the object to register.

        :param config: an instance of ``config_class``, ``None`` if the plugin has none
        :raises PluginLoadError: if its class raises
        """
        if isinstance(self.target, ModuleType):
            return self.target

        construct = cast("Callable[..., object]", self.target)
        try:
            return construct() if self.config_class is None else construct(config)
        except BaseException as error:
            if is_interrupt(error):
                raise

            message = f"cannot be made ({self.source}): {format_error(error)}"
            raise PluginLoadError(self.source.name, message) from error


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


def examine(source: PluginSource, target: object) -> LoadedPlugin:
    """Find the configuration and the hooks of what was imported from a source.

    :param target: a class, or a module, of which that of a file may hold the class
    :raises PluginLoadError: if it is not a plugin
    """
    config: object = None
    if isinstance(source.origin, Path) and isinstance(target, ModuleType):
        config = getattr(target, "Config", None)
        target = _plugin_of_file(source, target)

    if isinstance(target, ModuleType):
        if _is_model(config):
            message = (
                "has a Config, but only hook functions, which take no settings: move them into"
            )
            raise PluginLoadError(source.name, f"{message} a class ({source})")

        return LoadedPlugin(source, target, None, hooks_of(target))

    if not isinstance(target, type):
        kind = type(target).__name__
        message = f"is neither a class nor a module, but of type '{kind}' ({source})"
        raise PluginLoadError(source.name, message)

    config_class = _config_class(source, getattr(target, "Config", config))
    _check_arguments(source, target, config_class)
    return LoadedPlugin(source, target, config_class, hooks_of(target))


def _plugin_of_file(source: PluginSource, module: ModuleType) -> object:
    """Return the class in the module of a file, the module if it has none."""
    plugin = getattr(module, "Plugin", None)
    found = [plugin] if isinstance(plugin, type) else _plugin_classes(module)
    if not found:
        return module

    names = " and ".join(one.__name__ for one in found)
    if len(found) > 1:
        message = f"has several classes with hooks, {names}: name the one to run 'Plugin', or begin"
        raise PluginLoadError(source.name, f"{message} the names of the others with '_' ({source})")

    beside = hooks_of(module)
    if beside:
        message = f"has hooks beside its class {names} ({', '.join(beside)}): move them into it"
        raise PluginLoadError(source.name, f"{message} ({source})")

    return found[0]


def _plugin_classes(module: ModuleType) -> list[type[object]]:
    """Return the public classes of a module that implement hooks, without those they derive from."""
    own = {
        value: None
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
        and hooks_of(value)
    }
    return [one for one in own if not any(one in other.__mro__[1:] for other in own)]


def _check_arguments(
    source: PluginSource, target: type[object], config_class: type[BaseModel] | None
) -> None:
    """Raise a :exc:`PluginLoadError` if a class cannot be called as it will be."""
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # such as a class of an extension in C
        return

    try:
        signature.bind(*(() if config_class is None else (config_class,)))
    except TypeError:
        name = target.__name__
        problem = (
            f"has the class {name}, which takes arguments, but no Config: give it one, a pydantic"
        )
        remedy = "model, or take no arguments"
        if config_class is not None:
            problem = f"has a Config, which its class {name} does not take: write"
            remedy = "'def __init__(self, config: Config) -> None'"

        raise PluginLoadError(
            source.name, f"{problem} {remedy} ({_place(source, target)})"
        ) from None


def _place(source: PluginSource, target: type[object]) -> str:
    try:
        line = inspect.getsourcelines(target)[1]
    except (OSError, TypeError):
        line = None

    return (
        str(source) if line is None or not isinstance(source.origin, Path) else f"{source}:{line}"
    )


def _config_class(source: PluginSource, config_class: object) -> type[BaseModel] | None:
    if config_class is None:
        return None

    if not _is_model(config_class):
        message = "has a Config that is not a pydantic model: derive it from ConfigModel"
        raise PluginLoadError(source.name, f"{message} ({source})")

    clashes = [f"'{key}'" for key in COMMON_KEYS if key in model_keys(config_class)]
    if clashes:
        message = f"has a Config with {' and '.join(clashes)}, which every plugin already has"
        raise PluginLoadError(source.name, f"{message} ({source})")

    return config_class


def _is_model(value: object) -> TypeGuard[type[BaseModel]]:
    from pydantic import BaseModel  # the plugin has most likely imported it

    return isinstance(value, type) and issubclass(value, BaseModel)


def model_keys(model: type[BaseModel]) -> dict[str, str]:
    """Return the keys that data for a model may have, each with the name of its field."""
    by_name = model.model_config.get("validate_by_name") or model.model_config.get(
        "populate_by_name"
    )
    keys: dict[str, str] = {}
    for name, info in model.model_fields.items():
        alias = info.validation_alias
        if alias is None or by_name:
            keys[name] = name

        for choice in getattr(alias, "choices", (alias,)):
            if isinstance(choice, str):
                keys[choice] = name

    return keys


def hooks_of(target: object) -> tuple[str, ...]:
    """Return the names of the hooks that a plugin implements, sorted.

    :param target: a module, or a class that need not be instantiated
    """
    names: set[str] = set()
    for attribute in dir(target):
        try:
            function = getattr(target, attribute)
        except Exception:  # noqa: BLE001, S112 - such as a property that only instances have
            continue

        options = getattr(function, _IMPL, None)
        if inspect.isroutine(function) and isinstance(options, Mapping):
            names.add(str(options.get("specname") or attribute))

        handled = getattr(function, _ON, None)
        if inspect.isroutine(function) and isinstance(handled, Mapping):
            names.update(cls.type for cls in handled["event_classes"])

    return tuple(sorted(names))


def is_name(name: str) -> bool:
    """Return whether a plugin may have this name."""
    return re.fullmatch(NAME_PATTERN, name) is not None
