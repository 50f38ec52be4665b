"""The configuration of the log files plugin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from lanrage_events.config import ConfigModel, ConfigPath, Duration

from ._encoding import check_encoding

PresetName: TypeAlias = Literal["cs2", "eco", "factorio", "minecraft", "source", "valheim"]


def _check_regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None

    return text


def has_date(time_format: str) -> bool:
    """Return whether a time format includes the full date.

    :raises ValueError: if the format is not valid
    """
    moment = datetime(2001, 2, 3, 4, 5, 6)
    return datetime.strptime(moment.strftime(time_format), time_format).date() == moment.date()


def _check_time_format(text: str) -> str:
    try:
        has_date(text)
    except ValueError as error:
        raise ValueError(f"not a strptime format: {error}") from None

    return text


def _as_tuple(value: object) -> object:
    if value is None:
        return ()

    return (value,) if isinstance(value, str) else value


def _text_as(key: str, value: object) -> object:
    """Expand the short forms of a mapping: a string for its only key, null for an empty one."""
    if value is None:
        return {}

    return {key: value} if isinstance(value, str) else value


Regex = Annotated[str, AfterValidator(_check_regex)]
"""A Python regular expression."""
Patterns = Annotated[
    tuple[Regex, ...],
    BeforeValidator(_as_tuple, json_schema_input_type=str | list[str] | None),
]
"""One or more regular expressions, each for a whole line."""
FieldValue: TypeAlias = str | bool | int | float | list[str] | None


class FileSettings(ConfigModel):
    """How the lines of a file become events; presets have the same keys."""

    preset: PresetName | None = None
    """the game whose log lines are known; the other keys add to it"""
    patterns: dict[str, Patterns] = Field(default_factory=dict)
    """event type -> one or more regular expressions that match a whole line; their named groups
    are the event's fields"""
    prefix: Regex | None = None
    """the beginning of each line, before what ``patterns`` match; other lines are skipped"""
    time_format: Annotated[str, AfterValidator(_check_time_format)] | None = None
    """the format of the group ``time``, as for Python's ``strptime``"""
    time: Literal["line", "now"] = "line"
    """the time of an event: the line's if it has a date, or when it was read"""
    remove: Regex | None = None
    """removed from each line before anything else, such as colour codes"""
    player_connects: Patterns = ()
    """lines about a player, in the group ``player``, who is connecting but not in the game yet"""
    server_begins: Patterns = ()
    """lines that the server writes when it starts, so that no player is left"""
    fields: dict[str, dict[str, FieldValue]] = Field(default_factory=dict)
    """event type -> fields with a fixed value"""
    party_name: str | None = None
    """the name of the events' party; by default the name of the game or of the file"""
    party_id: str | None = None
    """the id of the events' party"""
    game_name: str | None = None
    """the name of the game"""
    encoding: Annotated[str, AfterValidator(check_encoding)] = "utf-8"
    """the encoding of the file, such as ``utf-8``, ``latin-1`` or ``utf-16``"""
    start: Literal["end", "beginning"] = "end"
    """where to begin in a file that was never read"""

    def filled_from(self, below: FileSettings) -> Self:
        """Return these settings, completed with those of ``below``.

        Patterns and fields are merged by event type.
        """
        own = self.model_fields_set
        update: dict[str, Any] = {
            key: getattr(below, key)
            for key in below.model_fields_set & set(FileSettings.model_fields) - own
        }
        update["patterns"] = {**below.patterns, **self.patterns}
        update["fields"] = {**below.fields, **self.fields}
        return self.model_copy(update=update)


class FileConfig(FileSettings):
    """A file to follow."""

    path: ConfigPath
    """the file; with ``*`` or ``?`` in its name, the newest file that matches"""

    @property
    def game(self) -> str:
        """The name of the game, or of the file."""
        return self.game_name or self.path.stem.strip("*?-_.") or self.path.parent.name

    @property
    def party(self) -> str:
        """The name of the party, which is that of the server."""
        return self.party_name or self.game


_ListedFile = Annotated[
    FileConfig,
    BeforeValidator(partial(_text_as, "path"), json_schema_input_type=FileConfig | ConfigPath),
]
_MappedFile = Annotated[
    FileSettings,
    BeforeValidator(
        partial(_text_as, "preset"), json_schema_input_type=FileSettings | PresetName | None
    ),
]
Files = Annotated[
    Annotated[tuple[_ListedFile, ...], Tag("list")]
    | Annotated[dict[ConfigPath, _MappedFile], Tag("mapping")],
    Discriminator(lambda value: "mapping" if isinstance(value, Mapping) else "list"),
]


class LogfileConfig(FileSettings):
    """Which log files to follow, and how their lines become events."""

    path: ConfigPath | None = None
    """the file; with ``*`` or ``?`` in its name, the newest file that matches"""
    files: Files = ()
    """several files: a list, or a mapping from paths to their settings or presets; the other keys
    apply to all of them"""
    poll: Duration | None = Field(default=None, ge=0.05)
    """look for changes this often instead of watching the folders, for network drives"""

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if (self.path is None) == (not self.files):
            raise ValueError("exactly one of 'path' and 'files' is required")

        if isinstance(self.files, tuple):
            paths = [file.path for file in self.files]
            for path in paths:
                if paths.count(path) > 1:
                    raise ValueError(f"files: '{path}' is listed twice")

        return self

    def all_files(self) -> tuple[FileConfig, ...]:
        """Return every file with all its settings, except those of its preset."""
        if self.path is not None:
            return (FileConfig(path=self.path).filled_from(self),)

        if isinstance(self.files, tuple):
            files = self.files
        else:
            files = tuple(
                FileConfig(path=path).filled_from(settings) for path, settings in self.files.items()
            )

        return tuple(file.filled_from(self) for file in files)
