"""Creating a plugin from a configuration as in the YAML file, and running it."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast, overload

from .._bus import EventBus
from .._discovery import Catalog, LoadedPlugin, PluginSource, examine, hooks_of, import_file
from .._events import snake_case
from .._exceptions import PluginHookError
from .._redaction import Redactor
from ..abc import PluginOptions
from ..config._load import check_config
from ..config._models import ConfiguredPlugin
from ..yaml import Document, YAMLValue

PluginT = TypeVar("PluginT")


@overload
def make_plugin(
    plugin: type[PluginT], config: Mapping[str, Any] | None = None, *, name: str | None = None
) -> PluginT: ...
@overload
def make_plugin(
    plugin: str | Path | ModuleType,
    config: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
) -> Any: ...
def make_plugin(
    plugin: type[PluginT] | str | Path | ModuleType,
    config: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
) -> PluginT | Any:
    """Create a plugin as the daemon does, with the configuration below its key in the YAML file.

    :param plugin: its class or module, the path of a single file, or the name of an entry point
    :param config: the keys with plain values such as texts, numbers and lists; a relative path
        starts from the current folder
    :param name: the plugin's key; by default derived from the plugin's name
    :raises ConfigError: if the configuration is invalid; it lists all problems
    :raises PluginLoadError: if it cannot be imported or created
    """
    return _configured(plugin, config, name, Redactor()).make()


@overload
def running(
    bus: EventBus,
    plugin: type[PluginT],
    config: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
) -> AbstractAsyncContextManager[PluginT]: ...
@overload
def running(
    bus: EventBus,
    plugin: str | Path,
    config: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
) -> AbstractAsyncContextManager[Any]: ...
@overload
def running(
    bus: EventBus,
    plugin: PluginT,
    config: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
) -> AbstractAsyncContextManager[PluginT]: ...
@asynccontextmanager
async def running(
    bus: EventBus,
    plugin: object,
    config: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
) -> AsyncIterator[Any]:
    """Create a plugin like :func:`make_plugin`, and run it on a bus within an ``async with``.

    It has started when the block begins. At the end of the block its pending events are handled and
    it is unregistered. The keys ``mailbox``, ``hook_timeout`` and ``start_timeout`` work, too.

    :param bus: a running bus
    :param plugin: its class or module, the path of a single file, or the name of an entry point; or
        an existing plugin
    :param config: the keys with plain values, as for :func:`make_plugin`
    :param name: the plugin's key, and its name on the bus; by default derived from the plugin's name
    :raises ConfigError: if the configuration is invalid
    :raises PluginLoadError: if it cannot be imported or created
    :raises PluginHookError: if it implements no hook, or one in a way that is not allowed
    :raises PluginStartError: if it cannot start
    """
    options: PluginOptions = {}
    made = plugin
    if isinstance(plugin, str | Path | ModuleType | type):
        configured = _configured(plugin, config, name, bus.redactor)
        made, name, options = configured.make(), configured.name, configured.options()
    elif config is not None:
        raise TypeError(f"{plugin!r} already exists, so it takes no config")

    if not hooks_of(made):
        raise PluginHookError(
            name or type(made).__name__, "implements no hook: is @hookimpl missing?"
        )

    await bus.plugins.register_and_wait(made, name, **options)
    try:
        yield made
    finally:
        if made in bus.plugins.values():
            await bus.unregister(made)


def _configured(
    plugin: object, config: Mapping[str, Any] | None, name: str | None, redactor: Redactor
) -> ConfiguredPlugin:
    loaded = _load(plugin, name)
    name = loaded.source.name
    catalog = Catalog.of(loaded)
    sections = {name: _plain(config or {}, "config")}
    # With a state folder, none is searched for.
    document = Document({"state_folder": ".", "plugins": cast(YAMLValue, sections)})
    checked = check_config(
        document, catalog, redactor=redactor, environment=os.environ, file=Path("config")
    )
    [configured] = checked.plugins
    return configured


def _load(plugin: object, name: str | None) -> LoadedPlugin:
    if isinstance(plugin, str):
        loaded = Catalog.discover().load(plugin)
        source = PluginSource(name or plugin, loaded.source.origin)
        return LoadedPlugin(source, loaded.target, loaded.config_class, loaded.hooks)

    if isinstance(plugin, Path):
        return examine(PluginSource(name or plugin.stem, plugin), import_file(plugin))

    if not isinstance(plugin, type | ModuleType):
        raise TypeError(f"expected a plugin's class, module, file or name, not {plugin!r}")

    own_name = plugin.__name__.rpartition(".")[2]
    if isinstance(plugin, type):
        own_name = snake_case(own_name).removesuffix("_plugin")

    return examine(PluginSource(name or own_name, _file_of(plugin)), plugin)


def _file_of(plugin: type | ModuleType) -> Path:
    try:
        return Path(inspect.getfile(plugin))
    except (OSError, TypeError):  # such as a class defined in a console
        return Path(plugin.__name__)


def _plain(value: object, path: str) -> YAMLValue:
    """Convert a value to a YAML value.

    :raises TypeError: if that is not possible
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value

    if isinstance(value, os.PathLike):
        return str(os.fspath(value))

    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{path}.{key}") for key, item in value.items()}

    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}.{index}") for index, item in enumerate(value)]

    raise TypeError(f"{path}: write {type(value).__name__} as in a YAML file, such as a text")
