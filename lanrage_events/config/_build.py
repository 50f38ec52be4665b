"""The bus of a configuration with its plugins, not yet started."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path

from .._bus import EventBus
from .._discovery import Catalog, LoadedPlugin
from .._exceptions import (
    ConfigError,
    LanrageEventsError,
    PluginError,
    PluginLoadError,
    format_error,
)
from .._redaction import Redactor
from ._load import DEFAULT_FILE, load_config
from ._models import DaemonConfig


def load_bus(file: Path | None = None) -> EventBus:
    """Create the bus of a configuration file with its plugins, without starting anything.

    It needs the extra ``daemon``.

    :param file: the YAML file; None for ``lanrage.yaml`` in this folder or, if there is none, for
        the installed plugins that have event types or templates and need no configuration
    :raises ConfigError: with everything that is wrong with the file or with its plugins
    """
    if file is None and not DEFAULT_FILE.exists():
        return installed_bus(Catalog.discover(), ("register_events", "template_folders"))[0]

    redactor = Redactor()
    return make_bus(load_config(file, redactor=redactor), redactor)


def make_bus(
    config: DaemonConfig,
    redactor: Redactor,
    *,
    batch: bool = False,
    trace: bool | None = None,
) -> EventBus:
    """Create the bus of a configuration with its plugins, without starting anything.

    :param redactor: knows the values that must not be shown
    :param batch: whether the publisher can wait for room, and the end until all is delivered
    :param trace: whether each call of a hook is printed; None to ask the environment
    :raises ConfigError: with everything that is wrong with the plugins
    """
    settings = config.settings
    bus = EventBus(
        drain_timeout=math.inf if batch else settings.drain_timeout,
        templates=settings.templates,
        state_folder=config.state_folder,
        redactor=redactor,
        trace=trace,
    )
    problems = list(_register(bus, config, batch=batch))
    if problems:
        raise ConfigError([redactor.redact(problem) for problem in problems])

    return bus


def _register(bus: EventBus, config: DaemonConfig, *, batch: bool) -> Iterator[str]:
    """Register the plugins; yield what is wrong with them."""
    for plugin in config.plugins:
        try:
            options = plugin.options()
            if batch and plugin.when_full is None:
                options["when_full"] = "block"

            bus.register(plugin.make(), plugin.name, **options)
        except PluginError as error:
            yield f"{plugin.place}: the plugin {error.reason}"
        except LanrageEventsError as error:
            yield f"{plugin.place}: {error}"
        except Exception as error:  # noqa: BLE001 - from a plugin's own attributes
            yield f"{plugin.place}: the plugin cannot be registered: {format_error(error)}"

    places = {plugin.name: plugin.place for plugin in config.plugins}
    for name, problem in bus.plugins.validate(hooks_only=True):
        yield f"{places[name]}: the plugin {problem}"


def installed_bus(catalog: Catalog, hooks: Collection[str]) -> tuple[EventBus, list[str]]:
    """Return a bus with the plugins that need no configuration, and why others were left out.

    :param hooks: only the plugins that implement one of these
    """
    bus = EventBus()
    problems: list[str] = []
    for name in catalog.names:
        try:
            plugin = catalog.load(name)
            if not set(plugin.hooks).isdisjoint(hooks):
                bus.register(_make(plugin), name, distribution=plugin.source.distribution)
        except LanrageEventsError as error:
            problems.append(str(error))

    return bus, problems


def _make(plugin: LoadedPlugin) -> object:
    if plugin.config_class is None:
        return plugin.make()

    try:
        config = plugin.config_class()
    except ValueError:
        message = "its event types are not known without a configuration: name the file"
        raise PluginLoadError(plugin.source.name, message) from None

    return plugin.make(config)
