"""The command ``new-plugin``, which writes a distribution with a plugin and its tests."""

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
from .._events import snake_case, utc_now
from .._hints import OWN_DISTRIBUTION
from ..cli import ExitCode, write_lines
from .errors import CommandError, UsageError
from .options import PluginKind

# The names that the generated plugin imports.
_IMPORTED = (
    *("Annotated", "AsyncIterator", "BaseModel", "Bus", "ConfigModel", "Duration", "Event"),
    *("EventDropped", "EventNotTransformed", "Field", "Iterable", "Path", "TypeAdapter"),
)
# The kinds that have an event, each with the folder of its files.
_WITH_EVENT = {"events": "events", "source": "source_event"}
# So that no generated line becomes too long.
NAME_MAX_CHARACTERS = 24
EVENT_MAX_CHARACTERS = 33
EVENT_TYPE_MAX_CHARACTERS = 35

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_EVENT = re.compile(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")
_PLACEHOLDER = re.compile(
    r"lanrage-events-scaffold|lanrage_events_scaffold|ScaffoldAnnounced|scaffold_announced"
    r"|SCAFFOLD_FLOOR|SCAFFOLD_YEAR|Scaffold|scaffold"
)
# Imports from the new package, which are sorted when the names are known, as linters want it.
_OWN_IMPORTS = re.compile(
    r"(?<=\n)(?:from \._plugin import \w+ as \w+\n)+|(?<=import \(\n)(?:    [A-Z]\w+,\n)+(?=\)\n)"
)
_NO_NUMBER = 10**40  # more than a number in a name can be
_PARTS = re.compile(r"(\d+)|(\D+)")


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a new plugin and its parts."""

    plugin: str
    """its key in the YAML file, such as ``lan-bingo``"""
    event: str
    """the class of its event, such as ``BingoCalled``, if it has one"""

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
        """The prefix of its classes, such as ``LanBingo``."""
        return _classes(self.plugin)

    def fill(self, text: str) -> str:
        """Fill the names into a text of the scaffold."""
        names = {
            "lanrage-events-scaffold": self.distribution,
            "lanrage_events_scaffold": self.package,
            "ScaffoldAnnounced": self.event,
            "scaffold_announced": snake_case(self.event),
            "SCAFFOLD_FLOOR": ".".join(version(OWN_DISTRIBUTION).split(".")[:2]),
            "SCAFFOLD_YEAR": str(utc_now().year),
            "Scaffold": self.classes,
            "scaffold": self.plugin,
        }
        filled = _PLACEHOLDER.sub(lambda match: names[match.group()], text)
        return _OWN_IMPORTS.sub(lambda match: _sorted_lines(match.group()), filled)


def run(
    name: str, folder: Path | None = None, event: str | None = None, kind: PluginKind = "events"
) -> int:
    """Write a distribution, print the next steps, and return the exit code.

    :param name: of the plugin
    :param folder: where to write it; by default a new folder named after the distribution
    :param event: the class of its event, only for the kinds ``events`` and ``source``
    :param kind: what the plugin does
    :raises UsageError: if one of the names is not possible
    :raises CommandError: if it cannot be written
    """
    if event is not None and kind not in _WITH_EVENT:
        raise UsageError(
            f"a plugin of the kind '{kind}' has no event of its own: omit --event, or choose the kind "
            f"{' or '.join(_WITH_EVENT)}"
        )

    names = choose_names(name, event)
    folder = folder or Path(names.distribution)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CommandError(
                f"{folder} exists and is not an empty folder: give another one with --folder"
            )

        written = write(names, folder, kind if event is None else _WITH_EVENT[kind])
    except OSError as error:
        message = f"cannot write {error.filename or folder}: {error.strerror or error}"
        raise CommandError(message) from error

    write_lines(_next_steps(names, folder, written, needs_server=kind in ("sink", "source")))
    return ExitCode.DONE


def choose_names(name: str, event: str | None = None) -> Names:
    """Return the names of a plugin and its parts.

    :param name: of the plugin, with or without ``lanrage-events-`` before it
    :param event: the class of its event; by default derived from the name
    :raises UsageError: if one of them is not possible
    """
    plugin = name.removeprefix(f"{OWN_DISTRIBUTION}-")
    if not _NAME.fullmatch(plugin):
        better = re.sub(r"[^a-z0-9]+", "-", snake_case(plugin)).strip("-")
        hint = f", did you mean '{better}'?" if _NAME.fullmatch(better) else ""
        raise UsageError(
            f"'{name}' cannot be the name of a plugin: it consists of lower-case letters, digits and "
            f"single hyphens, and begins with a letter, such as 'lan-bingo'{hint}"
        )

    if len(plugin) > NAME_MAX_CHARACTERS:
        raise UsageError(
            f"'{plugin}' has {len(plugin)} characters: a plugin's name has at most "
            f"{NAME_MAX_CHARACTERS}"
        )

    names = Names(plugin, event or f"{_classes(plugin)}Announced")
    for found in installed(PLUGINS_GROUP):
        if isinstance(found, PluginEntryPoint) and found.entry_point.name == plugin:
            raise UsageError(
                f"a plugin '{plugin}' is already installed, by {found}: choose another name"
            )

    if find_spec(names.package) is not None:
        raise UsageError(f"a package '{names.package}' is already installed: choose another name")

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
        is_keyword = keyword.iskeyword(event_type)
        kind = "a keyword of Python" if is_keyword else f"a hook of {OWN_DISTRIBUTION}"
        raise UsageError(
            f"'{event}' would have the hook '{event_type}', which is {kind}: choose another name, "
            "for something that only this plugin publishes"
        )

    if event in (f"{names.classes}Plugin", f"{names.classes}Config", *_IMPORTED):
        raise UsageError(f"'{event}' is the name of another class of the plugin")


def _sorted_lines(text: str) -> str:
    """Sort lines as isort does: ignoring case, and numbers by their value."""

    def key(line: str) -> list[tuple[int, str]]:
        return [
            (int(digits) if digits else _NO_NUMBER, other.lower())
            for digits, other in _PARTS.findall(line)
        ]

    return "".join(sorted(text.splitlines(keepends=True), key=key))


def _classes(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("-"))


def write(names: Names, folder: Path, kind: str) -> list[str]:
    """Write a distribution into a new or empty folder, all at once, and return its files.

    :param kind: the folder of the scaffold
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    written: list[str] = []
    with tempfile.TemporaryDirectory(prefix=".new-plugin-", dir=folder.parent) as temporary:
        unfinished = Path(temporary, "unfinished")
        for path, text in sorted(texts_of(kind).items()):
            written.append(names.fill(path))
            file = unfinished / written[-1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(names.fill(text), encoding="utf-8", newline="\n")

        if folder.exists():
            folder.rmdir()  # it is empty

        unfinished.rename(folder)

    return written


def texts_of(kind: str) -> dict[str, str]:
    """Return the files of a kind by their paths, with the names of the scaffold.

    Those of the kind replace those that all kinds share. What is about it goes into the README, and its
    first line without the full stop is the summary.
    """
    scaffold = files("lanrage_events") / "_scaffold"
    texts = {**dict(_texts(scaffold / "common")), **dict(_texts(scaffold / kind))}
    about = texts.pop("about.md")
    summary = about.partition("\n")[0].removesuffix(".")
    texts["README.md"] = texts["README.md"].replace("SCAFFOLD_ABOUT", about)
    texts["pyproject.toml"] = texts["pyproject.toml"].replace("SCAFFOLD_SUMMARY", summary)
    return texts


def _texts(folder: Traversable, path: str = "") -> Iterator[tuple[str, str]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _texts(item, f"{path}{item.name}/")
        elif item.name.endswith(".txt"):
            yield f"{path}{item.name.removesuffix('.txt')}", item.read_text("utf-8")


def _next_steps(
    names: Names, folder: Path, written: list[str], *, needs_server: bool
) -> Iterator[str]:
    yield f"wrote {names.distribution} into {folder}:"
    yield from (f"  {path}" for path in written)
    yield ""
    yield "Next, in a virtual environment:"
    yield f'  cd "{folder}"' if " " in str(folder) else f"  cd {folder}"
    yield '  pip install --editable ".[test]"'
    yield "  pytest"
    if not needs_server:
        yield "  lanrage-events run --stdin < events.jsonl"

    yield ""
    if needs_server:
        yield "README.md says how to try it with a server on this machine."

    yield f"Then make it yours: {names.package}/_plugin.py is the plugin."
