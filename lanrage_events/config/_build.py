"""A bus with the plugins of a configuration, for those who only want to ask them something."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .._bus.bus import EventBus
from .._discovery.catalog import Catalog, LoadedPlugin
from .._exceptions import LanrageEventsError, PluginLoadError
from .._redaction.redactor import Redactor
from ._load import DEFAULT_FILE, load_config


def load_bus(file: Path | None = None) -> EventBus:
    """Make the bus of a configuration file with its plugins, and start nothing.

    It needs the extra ``daemon``.

    :param file: the YAML file; None for ``lanrage.yaml`` in this folder or, if there is none, for
        the installed plugins that bring event types or templates and need no configuration
    :raises ConfigError: if anything is wrong with the file or with its plugins, with all that is
    """
    if file is None and not DEFAULT_FILE.exists():
        return installed_bus(Catalog.discover(), ("register_events", "template_folders"))[0]

    from .._daemon.daemon import make_bus  # which needs packages that come with the extra

    redactor = Redactor()
    return make_bus(load_config(file, redactor=redactor), redactor)


def installed_bus(catalog: Catalog, hooks: Collection[str]) -> tuple[EventBus, list[str]]:
    """Return a bus with the plugins that can be made without a configuration.

    :param catalog: the plugins
    :param hooks: only those that implement one of these
    :returns: the bus, and for each plugin that could not be made why
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
