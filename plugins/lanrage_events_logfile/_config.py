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

from ._encoding import newline_of

PresetName: TypeAlias = Literal["cs2", "eco", "factorio", "minecraft", "source", "valheim"]


def _check_regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None

    return text


def has_date(time_format: str) -> bool:
    """Tell whether what is written in a format says the day, with its year.

    :raises ValueError: if it is no format
    """
    moment = datetime(2001, 2, 3, 4, 5, 6)
    return datetime.strptime(moment.strftime(time_format), time_format).date() == moment.date()


def _check_time_format(text: str) -> str:
    try:
        has_date(text)
    except ValueError as error:
        raise ValueError(f"not a format of strptime: {error}") from None

    return text


def _check_encoding(name: str) -> str:
    newline_of(name)
    return name


def _as_tuple(value: object) -> object:
    if value is None:
        return ()

    return (value,) if isinstance(value, str) else value


def _text_as(key: str, value: object) -> object:
    """Let a text stand for a mapping with one key, and nothing for one with none."""
    if value is None:
        return {}

    return {key: value} if isinstance(value, str) else value


Regex = Annotated[str, AfterValidator(_check_regex)]
"""A regular expression of Python's."""
Patterns = Annotated[
    tuple[Regex, ...],
    BeforeValidator(_as_tuple, json_schema_input_type=str | list[str]),
]
"""One regular expression or several, each for a whole line."""
FieldValue: TypeAlias = str | bool | int | float | list[str] | None


class FileSettings(ConfigModel):
    """How the lines of a file become events; a preset has the same keys."""

    preset: PresetName | None = None
    """the game whose lines are known; what else is given here comes on top"""
    patterns: dict[str, Patterns] = Field(default_factory=dict)
    """event type -> one regular expression or several, which match a whole line; their named
    groups are the event's fields"""
    prefix: Regex | None = None
    """what each line begins with, before that which ``patterns`` match; others are passed over"""
    time_format: Annotated[str, AfterValidator(_check_time_format)] | None = None
    """how the group ``time`` is written, as for Python's ``strptime``"""
    time: Literal["line", "now"] = "line"
    """the time of an event: the line's if it has a date, or when it was read"""
    remove: Regex | None = None
    """what is cut out of a line before anything else, such as codes of colours"""
    player_connects: Patterns = ()
    """lines about a player, in the group ``player``, who comes but is not there yet"""
    server_begins: Patterns = ()
    """lines that say that the server begins anew, so that nobody is there"""
    fields: dict[str, dict[str, FieldValue]] = Field(default_factory=dict)
    """event type -> fields that are always the same"""
    party_name: str | None = None
    """what the party of these events is called; the game's or the file's name by default"""
    party_id: str | None = None
    """which party these events belong to"""
    game_name: str | None = None
    """what the game is called"""
    encoding: Annotated[str, AfterValidator(_check_encoding)] = "utf-8"
    """how text is written in the file, such as ``utf-8``, ``latin-1`` or ``utf-16``"""
    start: Literal["end", "beginning"] = "end"
    """where a file that was never read is read from"""

    def filled_from(self, below: FileSettings) -> Self:
        """Return these settings, with what they do not say taken from others.

        Patterns and fields are put together, each event type as a whole.
        """
        own = self.model_fields_set
        update: dict[str, Any] = {
            key: getattr(below, key)
            for key in below.model_fields_set & set(FileSettings.model_fields) - own
        }
        update["patterns"] = {**below.patterns, **self.patterns}
        update["fields"] = {**below.fields, **self.fields}
        # What one sets, even if it came from another, counts as set.
        return self.model_copy(update=update)


class FileConfig(FileSettings):
    """One file that is followed."""

    path: ConfigPath
    """the file; with ``*`` or ``?`` in its name, the newest that is called so"""


def _kind_of_files(value: object) -> str:
    return "mapping" if isinstance(value, Mapping) else "list"


_ListedFile = Annotated[
    FileConfig,
    BeforeValidator(partial(_text_as, "path"), json_schema_input_type=FileConfig | str | None),
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
    Discriminator(_kind_of_files),
]


class LogfileConfig(FileSettings):
    """Which log files are followed, and how their lines become events."""

    path: ConfigPath | None = None
    """the file; with ``*`` or ``?`` in its name, the newest that is called so"""
    files: Files = ()
    """several files: a list, or a mapping from paths to their settings or presets; the other keys
    here hold for all of them"""
    poll: Duration | None = Field(default=None, ge=0.05)
    """look for changes this often instead of being told of them, for network drives"""

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if (self.path is None) == (not self.files):
            raise ValueError("exactly one of 'path' and 'files' is required")

        if isinstance(self.files, tuple):
            paths = [file.path for file in self.files]
            for path in paths:
                if paths.count(path) > 1:
                    raise ValueError(f"files: '{path}' is there twice")

        return self

    def all_files(self) -> tuple[FileConfig, ...]:
        """Return every file with all its settings, those of its preset left out."""
        if self.path is not None:
            return (FileConfig(path=self.path).filled_from(self),)

        if isinstance(self.files, tuple):
            files = self.files
        else:
            files = tuple(
                FileConfig(path=path).filled_from(settings) for path, settings in self.files.items()
            )

        return tuple(file.filled_from(self) for file in files)
