"""The entry points of plugins and their commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distribution,
    distributions,
)

PLUGINS_GROUP = "lanrage_events"
COMMANDS_GROUP = "lanrage_events.commands"


@dataclass(frozen=True, slots=True)
class PluginEntryPoint:
    """An entry point and its distribution."""

    entry_point: EntryPoint
    distribution: str | None
    version: str | None

    def __str__(self) -> str:
        return f"{self.distribution or 'an unnamed distribution'} {self.version or ''}".rstrip()


@dataclass(frozen=True, slots=True)
class UnreadableDistribution:
    """A distribution that seems to have plugins, but whose list of them cannot be read."""

    distribution: str | None
    version: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class PluginCommand:
    """A command that a plugin adds to the command line, not imported yet."""

    origin: PluginEntryPoint
    problem: str = ""
    """why it cannot be used, empty if it can"""

    @property
    def name(self) -> str:
        """The word on the command line."""
        return self.origin.entry_point.name

    @property
    def target(self) -> str:
        """Where it is, as ``module:function``."""
        return self.origin.entry_point.value


def plugin_commands() -> tuple[PluginCommand, ...]:
    """Return the commands of installed plugins, sorted, without importing any."""
    found = [item for item in installed(COMMANDS_GROUP) if isinstance(item, PluginEntryPoint)]
    times = Counter(item.entry_point.name for item in found)
    commands: list[PluginCommand] = []
    for origin in sorted(found, key=lambda item: (item.entry_point.name, item.distribution or "")):
        name, target = origin.entry_point.name, origin.entry_point.value
        problem = ""
        if times[name] > 1:
            origins = [str(other) for other in found if other.entry_point.name == name]
            problem = f"several distributions bring it: {', '.join(origins)}"
        elif not _is_function(target):
            problem = f"'{target}' is not of the form 'module:function'"

        commands.append(PluginCommand(origin, problem))

    return tuple(commands)


def installed(group: str) -> Iterator[PluginEntryPoint | UnreadableDistribution]:
    """Yield the entry points of a group, and the distributions whose list cannot be read.

    :param group: the name of the group
    """
    seen: set[str] = set()
    for found in distributions():
        if PLUGINS_GROUP not in (_read(found) or ""):
            continue

        name, version = _name_of(found)
        if name is not None:
            if name in seen:
                continue

            # A distribution may be on the path twice: Python imports the first.
            seen.add(name)
            found = _first(name, found)
            name, version = _name_of(found)

        try:
            entry_points = found.entry_points.select(group=group)
        except Exception as error:  # noqa: BLE001 - one broken installation spares the others
            reason = f"its entry_points.txt cannot be read: {error}"
            yield UnreadableDistribution(name, version, reason)
            continue

        for entry_point in dict.fromkeys(entry_points):
            yield PluginEntryPoint(entry_point, name, version)


def _read(found: Distribution) -> str | None:
    try:
        return found.read_text("entry_points.txt")
    except (OSError, UnicodeDecodeError):
        return None


def _first(name: str, found: Distribution) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return found  # the name of its folder differs from its own


def _name_of(found: Distribution) -> tuple[str | None, str | None]:
    """Return name and version, ``None`` where a broken installation lacks them."""
    try:
        metadata = found.metadata
        names = metadata.get_all("Name") or [None]
        versions = metadata.get_all("Version") or [None]
    except Exception:  # noqa: BLE001 - one broken installation spares the others
        return None, None

    return names[0], versions[0]


def _is_function(target: str) -> bool:
    module, _, function = target.partition(":")
    parts = [*module.strip().split("."), *function.strip().split(".")]
    return all(part.isidentifier() for part in parts)
