"""The check of a configuration that does not run it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from .._bus import EventBus
from .._exceptions import ConfigError, format_error
from .._redaction import Redactor
from .._reports import ConfigProblem
from .._rules import HidingKey
from .._threads import call_within, named_while_slow
from .._threads import logger as slow_calls
from ..config._build import hook_problems, register
from ..config._draft import Draft, Finding
from ..config._load import LOAD_SECONDS, read_config
from ..config._models import ConfiguredPlugin, DaemonConfig
from ..config._repair import Repair, Repaired
from ..config._replaced import replaced_settings
from .logging import logging_to_stderr
from .own_files import OwnFiles


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """A configuration with everything that was found wrong with it and with its plugins."""

    draft: Draft
    bus: EventBus
    """with the plugins that could be created, none started"""
    findings: tuple[Finding, ...]
    """in the order of the text"""


def check(file: Path | None) -> CheckedConfig:
    """Check all of a configuration file, without starting anything.

    :param file: the YAML file; None for the default one, or the built-in configuration
    """
    redactor = Redactor()
    slow_calls.setLevel("WARNING")  # says what the user waits for
    with logging_to_stderr("error", "console", redactor):
        draft = read_config(file, redactor=redactor, bounded=True, as_daemon=True)
        bus = _check_plugins(draft)
        _check_system(draft, bus)
        return CheckedConfig(draft, bus, tuple(draft.findings()))


def check_again(running: DaemonConfig, redactor: Redactor) -> DaemonConfig:
    """Check the file of a running daemon again, except for its templates.

    Templates that have errors are not used, and the plugins that use them report that. A daemon that
    began with a file keeps to it: without it, it would lose all that the file says.

    :param running: what runs now
    :param redactor: learns every secret of the file before any message about it
    :raises ConfigError: with everything that is wrong
    """
    file = None if running.is_default else running.file
    draft = read_config(file, redactor=redactor, bounded=True)
    what = "checking the plugins of the configuration"
    try:
        run = partial(
            _check_plugins, draft, is_reported=is_setting, state_folder=running.state_folder
        )
        bus = call_within(run, LOAD_SECONDS, what)
    except TimeoutError as error:
        raise ConfigError([f"{draft.file}: the plugins cannot be checked: {error}"]) from None

    _check_system(draft, bus)
    return draft.config()


def is_setting(problem: ConfigProblem) -> bool:
    """Return whether a problem is an error of the configuration itself."""
    return not problem.place and not problem.warning


def _check_plugins(
    draft: Draft,
    *,
    is_reported: Callable[[ConfigProblem], bool] = lambda _: True,
    state_folder: Path | None = None,
) -> EventBus:
    """Add what is wrong with the plugins.

    :param is_reported: returns whether a problem that a plugin finds is added
    :param state_folder: that of the daemon, which the file may have changed
    """
    configured = {plugin.name: plugin for plugin in draft.plugins}
    configured.update({partial.plugin.name: partial.plugin for partial in draft.partial})
    bus = _make_bus(draft)
    for name, text in (*register(bus, draft.plugins), *hook_problems(bus)):
        draft.add(configured[name], ConfigProblem(text))

    whole = [plugin for plugin in draft.plugins if plugin.name in bus.plugins]
    repaired = list(_register_partial(draft, bus, Repair.values))
    bus.events.absent_plugins = tuple(name for name in draft.sections if name not in bus.plugins)
    for plugin in whole:
        with named_while_slow(f"checking the plugin '{plugin.name}'"):
            found = bus.plugins.problems(plugin.name)

        for problem in filter(is_reported, found):
            draft.add(plugin, problem)

    if repaired:
        _check_partial(draft, bus, repaired, is_reported)

    for rule_problem, is_warning in draft.rules.problems(bus.events):
        found_of_rules = draft.warnings if is_warning else draft.validator.document.problems
        found_of_rules.append(rule_problem)

    draft.warnings += replaced_settings(bus, draft.plugins, draft.rules)
    folders = [folder for folder in (draft.state_folder, state_folder) if folder is not None]
    plugins_folder = None if draft.settings is None else draft.settings.plugins_folder
    own = OwnFiles(draft.file, draft.secret_files, plugins_folder, folders)
    for name, text in own.problems(bus):
        draft.add(configured[name], ConfigProblem(text, ("path",)))

    return bus


def _check_partial(
    draft: Draft,
    bus: EventBus,
    repaired: Iterable[tuple[ConfiguredPlugin, Repaired]],
    is_reported: Callable[[ConfigProblem], bool],
) -> None:
    """Add what the plugins find whose section has errors, if it does not come from these."""
    other = _make_bus(draft)
    for _ in register(other, draft.plugins):
        continue  # it is reported already

    other.events.absent_plugins = bus.events.absent_plugins
    without_items = {plugin.name: r for plugin, r in _register_partial(draft, other, Repair.items)}
    for plugin, without_values in repaired:
        found = bus.plugins.problems(plugin.name)
        items = without_items.get(plugin.name)
        again = [] if items is None else other.plugins.problems(plugin.name)
        for problem in filter(is_reported, _certain(found, without_values, again, items)):
            draft.add(plugin, problem)


def _make_bus(draft: Draft) -> EventBus:
    settings = draft.settings
    return EventBus(
        drain_timeout=math.inf if settings is None else settings.drain_timeout,
        templates=() if settings is None else settings.templates,
        state_folder=draft.state_folder,
        redactor=draft.validator.redactor,
        rules=draft.rules.make(HidingKey(draft.state_folder, is_kept=False)),
    )


def _register_partial(
    draft: Draft, bus: EventBus, run: Callable[[Repair], Repaired | None]
) -> Iterator[tuple[ConfiguredPlugin, Repaired]]:
    """Register the plugins whose section has errors with what is right in it."""
    for plugin, repair in draft.partial:
        repaired: Repaired | None = Repaired(None, {})
        if repair is not None:
            what = f"checking the configuration of the plugin '{plugin.name}'"
            try:
                repaired = call_within(partial(run, repair), LOAD_SECONDS, what)
            except TimeoutError:
                continue  # it is reported already

        if repaired is None:
            continue

        errors = list(register(bus, [replace(plugin, config=repaired.config)]))
        if not errors:
            yield plugin, repaired
        elif not repaired.omitted:
            for _, text in errors:
                draft.add(plugin, ConfigProblem(text))


def _certain(
    found: Iterable[ConfigProblem],
    values: Repaired,
    again: Iterable[ConfigProblem],
    items: Repaired | None,
) -> Iterator[ConfigProblem]:
    """Yield the problems that do not come from what was left out.

    :param found: without the wrong values
    :param again: without the items of lists that have wrong values
    """
    if not values.omitted:
        yield from found
        return

    if items is None:
        return

    confirmed = {_identity(_move(problem, items)) for problem in again}
    for problem in found:
        moved = _move(problem, values)
        # The item that has an error is left out there, but its other keys are as they are.
        is_certain = _identity(moved) in confirmed or items.is_in_wrong(moved.path)
        # What is missing in a value may be what was left out of it.
        is_caused = moved.warning and bool(moved.path) and values.omits_part(moved.path)
        if is_certain and not (is_caused or values.omits(moved.path)):
            yield moved


def _move(problem: ConfigProblem, repaired: Repaired) -> ConfigProblem:
    return replace(problem, path=repaired.original(problem.path))


def _identity(problem: ConfigProblem) -> object:
    # A message may name the number of an item.
    return (problem.path, problem.about_key, problem.warning) if problem.path else problem


def _check_system(draft: Draft, bus: EventBus) -> None:
    if draft.settings is None:
        return

    if draft.state_folder is not None:
        try:
            draft.rules.open_key(draft.state_folder, is_kept=False)
        except ConfigError as error:
            # Only the daemon's user can read it.
            draft.warn(("rules",), str(error))

    if draft.state_folder is not None:
        # The daemon may run as another user.
        problem, is_certain = _state_folder_problem(draft.state_folder)
        is_needed = any(getattr(plugin, "durable", False) for plugin in bus.plugins.values())
        if problem and is_certain and is_needed:
            draft.validator.document.report(("state_folder",), problem)
        elif problem:
            draft.warn(("state_folder",), problem, key=False)


def _state_folder_problem(folder: Path) -> tuple[str, bool]:
    """Return why the daemon cannot keep its state in a folder, and whether that holds for any user."""
    try:
        if folder.exists() and not folder.is_dir():
            return f"{folder} is a file: name a folder", True

        link = next((path for path in (folder, *folder.parents) if path.is_symlink()), None)
        if link is not None and not link.exists():
            return f"{link} is a link that leads nowhere: name a folder", True

        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not existing.is_dir():
            return f"{folder} cannot be created, since {existing} is a file", True

        if not os.access(existing, os.W_OK | os.X_OK):
            return f"the user who runs this may not write in {existing}", False
    except PermissionError as error:
        return f"the user who runs this cannot look into {error.filename or folder}", False
    except (OSError, StopIteration) as error:
        return f"{folder} cannot be used: {format_error(error)}", True

    return "", True
