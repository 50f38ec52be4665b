"""What was imported from a source of plugins: its class or module, its configuration, its hooks."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeGuard, cast

from .._exceptions import PluginLoadError, format_error
from .._exit import is_interrupt
from .entry_points import PLUGINS_GROUP, PluginEntryPoint

if TYPE_CHECKING:
    from pydantic import BaseModel

COMMON_KEYS = ("use", "mailbox", "hook_timeout", "start_timeout")
"""the keys in the section of every plugin"""

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

        if not inspect.isroutine(function):
            continue

        # What marks a staticmethod from outside is not on its function.
        outside = inspect.getattr_static(target, attribute, None)
        options = getattr(function, _IMPL, None) or getattr(outside, _IMPL, None)
        if isinstance(options, Mapping):
            names.add(str(options.get("specname") or attribute))

        handled = getattr(function, _ON, None) or getattr(outside, _ON, None)
        if isinstance(handled, Mapping):
            names.update(cls.type for cls in handled["event_classes"])

    return tuple(sorted(names))
