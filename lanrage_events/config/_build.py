"""The bus of a configuration with its plugins, not yet started."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
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
from .._rules import HidingKey
from ..abc import Instrument
from ._draft import Draft
from ._load import default_file, read_config
from ._models import ConfiguredPlugin, DaemonConfig
from ._replaced import replaced_settings

_NOUNS = ("hook ", "method ", "attribute ")
"""with which the text about a plugin may begin, instead of a verb"""


def load_bus(
    file: Path | None = None,
    *,
    as_run: bool = False,
    on_problems: Callable[[Sequence[str]], object] | None = None,
) -> EventBus:
    """Create the bus of a configuration file with its plugins, without starting anything.

    It needs the extra ``daemon``.

    :param file: the YAML file; None for ``lanrage.yaml`` or ``lanrage.yml`` in this folder or, if
        there is none, for the installed plugins that have event types or templates and need no
        configuration
    :param as_run: whether, without a file, the bus is that of ``lanrage-events run`` instead
    :param on_problems: called with what is wrong, instead of the error; the bus then has the plugins and
        settings that are right
    :raises ConfigError: with everything that is wrong with the file or with its plugins
    """
    if file is None and not default_file().exists() and not as_run:
        return installed_bus(Catalog.discover(), ("register_events", "template_folders"))[0]

    redactor = Redactor()
    draft = read_config(file, redactor=redactor)
    try:
        return make_bus(draft.config(), redactor)
    except ConfigError as error:
        if on_problems is None:
            raise

        on_problems(error.problems)
        return _bus_of_what_is_right(draft, redactor)


def _bus_of_what_is_right(draft: Draft, redactor: Redactor) -> EventBus:
    bus = EventBus(
        templates=() if draft.settings is None else draft.settings.templates,
        redactor=redactor,
        rules=draft.rules.make(HidingKey(draft.state_folder)),
    )
    for _ in register(bus, draft.plugins):
        pass  # it was reported before

    return bus


def make_bus(
    config: DaemonConfig,
    redactor: Redactor,
    *,
    batch: bool = False,
    trace: bool | None = None,
    instruments: Sequence[Instrument] = (),
) -> EventBus:
    """Create the bus of a configuration with its plugins, without starting anything.

    :param redactor: knows the values that must not be shown
    :param batch: whether the publisher can wait for room, and the end until all is delivered
    :param trace: whether each call of a hook is printed; None to ask the environment
    :param instruments: watch the bus
    :raises ConfigError: with everything that is wrong with the plugins
    """
    settings = config.settings
    bus = EventBus(
        drain_timeout=math.inf if batch else settings.drain_timeout,
        templates=settings.templates,
        state_folder=config.state_folder,
        redactor=redactor,
        trace=trace,
        instruments=instruments,
        rules=config.rules.make(HidingKey(config.state_folder)),
    )
    places = {plugin.name: plugin.place for plugin in config.plugins}
    problems = [
        f"{places[name]}: {problem}"
        for name, problem in (
            *register(bus, config.plugins, batch=batch),
            *hook_problems(bus),
        )
    ]
    wrong = config.rules.problems(bus.events)
    problems += [str(problem) for problem, is_warning in wrong if not is_warning]
    if problems:
        raise ConfigError([redactor.redact(problem) for problem in problems])

    return bus


def register(
    bus: EventBus, plugins: Iterable[ConfiguredPlugin], *, batch: bool = False
) -> Iterator[tuple[str, str]]:
    """Register the plugins; yield the name of each that cannot be, and why.

    :param batch: as for :func:`make_bus`
    """
    for plugin in plugins:
        try:
            options = plugin.options()
            if batch and plugin.when_full is None:
                options["when_full"] = "block"

            bus.register(plugin.make(), plugin.name, **options)
        except PluginError as error:
            yield from ((plugin.name, _sentence(line)) for line in error.reason.splitlines())
        except ConfigError as error:
            yield from ((plugin.name, problem) for problem in error.problems)
        except LanrageEventsError as error:
            yield plugin.name, str(error)
        except Exception as error:  # noqa: BLE001 - from a plugin's own attributes
            yield plugin.name, f"the plugin cannot be registered: {format_error(error)}"


def warnings(
    bus: EventBus, plugins: Iterable[ConfiguredPlugin], redactor: Redactor
) -> Iterator[str]:
    """Yield what plugins on the bus find in the configuration that is allowed, but probably a mistake.

    What they find in templates, they log when they read these.
    """
    for plugin in plugins:
        if plugin.name in bus.plugins:
            for problem in bus.plugins.problems(plugin.name):
                if problem.warning and not problem.place:
                    yield redactor.redact(str(plugin.problem(problem)))


def start_warnings(bus: EventBus, config: DaemonConfig, redactor: Redactor) -> Iterator[str]:
    """Yield what is allowed in a configuration, but probably a mistake, as far as its plugins say.

    A check of a configuration finds more.
    """
    yield from warnings(bus, config.plugins, redactor)
    found = replaced_settings(bus, config.plugins, config.rules)
    yield from dict.fromkeys(redactor.redact(str(problem)) for problem in found)


def hook_problems(bus: EventBus) -> Iterator[tuple[str, str]]:
    """Yield the name of each plugin that implements a hook wrongly, and what is wrong."""
    for name, problem in bus.plugins.validate(hooks_only=True):
        yield name, _sentence(problem)


def _sentence(reason: str) -> str:
    """Return what is wrong with a plugin as a sentence that needs no name before it."""
    return reason if reason.startswith(_NOUNS) else f"the plugin {reason}"


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
