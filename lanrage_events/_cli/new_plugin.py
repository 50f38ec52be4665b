"""Writes a new distribution with a plugin, ready to be installed, tested and run."""

from __future__ import annotations

import keyword
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from .. import hookspecs
from .._discovery import PLUGINS_GROUP, PluginEntryPoint, installed
from .._events import snake_case
from .._hints import OWN_DISTRIBUTION
from ..cli import ExitCode, write_errors, write_lines
from .errors import UsageError

# What the plugin that is written imports.
_IMPORTED = ("AsyncIterator", "Bus", "ConfigModel", "Event", "Iterable", "Path")
# So that no line of what is written becomes too long.
NAME_MAX_CHARACTERS = 24
EVENT_MAX_CHARACTERS = 33
EVENT_TYPE_MAX_CHARACTERS = 35

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_EVENT = re.compile(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")
_PLACEHOLDER = re.compile(
    r"lanrage-events-scaffold|lanrage_events_scaffold|ScaffoldAnnounced|scaffold_announced"
    r"|SCAFFOLD_FLOOR|Scaffold|scaffold"
)


# What is imported from the new package: sorted once the names are known, as linters want it.
_OWN_IMPORTS = re.compile(
    r"(?<=\n)(?:from \._plugin import \w+ as \w+\n)+|(?<=import \(\n)(?:    [A-Z]\w+,\n)+(?=\)\n)"
)
_NO_NUMBER = 10**40  # more than a number in a name can be
_PARTS = re.compile(r"(\d+)|(\D+)")


@dataclass(frozen=True, slots=True)
class Names:
    """What a new plugin and its parts are called."""

    plugin: str
    """its key in the YAML file, such as ``lan-bingo``"""
    event: str
    """the class of its event, such as ``BingoCalled``"""

    @property
    def distribution(self) -> str:
        """Such as ``lanrage-events-lan-bingo``."""
        return f"{OWN_DISTRIBUTION}-{self.plugin}"

    @property
    def package(self) -> str:
        """Such as ``lanrage_events_lan_bingo``."""
        return self.distribution.replace("-", "_")

    @property
    def classes(self) -> str:
        """What its classes begin with, such as ``LanBingo``."""
        return _classes(self.plugin)

    def fill(self, text: str) -> str:
        """Put the names into a text of the scaffold."""
        names = {
            "lanrage-events-scaffold": self.distribution,
            "lanrage_events_scaffold": self.package,
            "ScaffoldAnnounced": self.event,
            "scaffold_announced": snake_case(self.event),
            "SCAFFOLD_FLOOR": ".".join(version(OWN_DISTRIBUTION).split(".")[:2]),
            "Scaffold": self.classes,
            "scaffold": self.plugin,
        }
        filled = _PLACEHOLDER.sub(lambda match: names[match.group()], text)
        return _OWN_IMPORTS.sub(lambda match: _sorted_lines(match.group()), filled)


def run(name: str, folder: Path | None = None, event: str | None = None) -> int:
    """Write a distribution, say what to do next, and return the exit code.

    :param name: of the plugin
    :param folder: where to write it; by default a new folder named after the distribution
    :param event: the class of the event that it brings
    """
    try:
        names = choose_names(name, event)
    except UsageError as error:
        write_errors([f"{OWN_DISTRIBUTION}: {error}"])
        return ExitCode.MISUSE

    folder = folder or Path(names.distribution)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            message = f"{folder} exists and is not an empty folder: give another one with --folder"
            write_errors([f"{OWN_DISTRIBUTION}: {message}"])
            return ExitCode.FAILED

        written = write(names, folder)
    except OSError as error:
        message = f"cannot write {error.filename or folder}: {error.strerror or error}"
        write_errors([f"{OWN_DISTRIBUTION}: {message}"])
        return ExitCode.FAILED

    write_lines(_next_steps(names, folder, written))
    return ExitCode.DONE


def choose_names(name: str, event: str | None = None) -> Names:
    """Return what everything is called.

    :param name: of the plugin, with or without ``lanrage-events-`` before it
    :param event: the class of its event; by default made of the name
    :raises UsageError: if one of them is not possible
    """
    plugin = name.removeprefix(f"{OWN_DISTRIBUTION}-")
    if not _NAME.fullmatch(plugin):
        better = re.sub(r"[^a-z0-9]+", "-", snake_case(plugin)).strip("-")
        hint = f", did you mean '{better}'?" if _NAME.fullmatch(better) else ""
        raise UsageError(
            f"'{name}' cannot be the name of a plugin: it consists of small letters, digits and "
            f"single hyphens, and begins with a letter, such as 'lan-bingo'{hint}"
        )

    if len(plugin) > NAME_MAX_CHARACTERS:
        raise UsageError(
            f"'{plugin}' has {len(plugin)} characters: a plugin's name has at most "
            f"{NAME_MAX_CHARACTERS}"
        )

    names = Names(plugin, event or f"{_classes(plugin)}Announced")
    for offer in installed(PLUGINS_GROUP):
        if isinstance(offer, PluginEntryPoint) and offer.entry_point.name == plugin:
            raise UsageError(
                f"a plugin '{plugin}' is installed already, by {offer}: take another name"
            )

    if find_spec(names.package) is not None:
        raise UsageError(f"a package '{names.package}' is installed already: take another name")

    _check_event(names)
    return names


def _check_event(names: Names) -> None:
    event, event_type = names.event, snake_case(names.event)
    if not _EVENT.fullmatch(event):
        better = _classes(re.sub(r"[^A-Za-z0-9]+", "-", event))
        hint = f", did you mean '{better}'?" if _EVENT.fullmatch(better) else ""
        raise UsageError(
            f"'{event}' cannot be the name of an event class: it is a noun and a past participle, "
            f"each with a capital letter, such as 'BingoCalled'{hint}"
        )

    if len(event) > EVENT_MAX_CHARACTERS or len(event_type) > EVENT_TYPE_MAX_CHARACTERS:
        raise UsageError(
            f"'{event}' is too long: an event's name has at most {EVENT_MAX_CHARACTERS} characters, "
            f"and its type, '{event_type}', at most {EVENT_TYPE_MAX_CHARACTERS}"
        )

    marker = f"{hookspecs.hookspec.project_name}_spec"
    if hasattr(getattr(hookspecs, event_type, None), marker) or keyword.iskeyword(event_type):
        kind = "a word of Python" if keyword.iskeyword(event_type) else f"{OWN_DISTRIBUTION}' own"
        raise UsageError(
            f"'{event}' would have the hook '{event_type}', which is {kind}: take another name, "
            "for something that only this plugin tells"
        )

    if event in (f"{names.classes}Plugin", f"{names.classes}Config", *_IMPORTED):
        raise UsageError(f"'{event}' is the name of another class of the plugin")


def _sorted_lines(text: str) -> str:
    """Sort lines as isort does: without regard to case, and numbers by their size."""

    def key(line: str) -> list[tuple[int, str]]:
        return [
            (int(digits) if digits else _NO_NUMBER, other.lower())
            for digits, other in _PARTS.findall(line)
        ]

    return "".join(sorted(text.splitlines(keepends=True), key=key))


def _classes(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("-"))


def write(names: Names, folder: Path) -> list[str]:
    """Write a distribution all at once, and return the files, relative to its folder.

    :param folder: a new one, or an empty one
    """
    scaffold = files("lanrage_events") / "_scaffold"
    folder.parent.mkdir(parents=True, exist_ok=True)
    written: list[str] = []
    with tempfile.TemporaryDirectory(prefix=".new-plugin-", dir=folder.parent) as temporary:
        unfinished = Path(temporary, "unfinished")
        for path, text in sorted(_texts(scaffold)):
            written.append(names.fill(path))
            file = unfinished / written[-1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(names.fill(text), encoding="utf-8", newline="\n")

        if folder.exists():
            folder.rmdir()  # it is empty

        unfinished.rename(folder)

    return written


def _texts(folder: Traversable, path: str = "") -> Iterator[tuple[str, str]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _texts(item, f"{path}{item.name}/")
        elif item.name.endswith(".txt"):
            yield f"{path}{item.name.removesuffix('.txt')}", item.read_text("utf-8")


def _next_steps(names: Names, folder: Path, written: list[str]) -> Iterator[str]:
    yield f"wrote {names.distribution} into {folder}:"
    yield from (f"  {path}" for path in written)
    yield ""
    yield "Next, in a virtual environment:"
    yield f'  cd "{folder}"' if " " in str(folder) else f"  cd {folder}"
    yield '  pip install --editable ".[test]"'
    yield "  pytest"
    yield "  lanrage-events run --stdin < events.jsonl"
    yield ""
    yield f"Then make it yours: {names.package}/_plugin.py is the plugin."
