"""The options that several commands share, such as those that find an outbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

from .._exceptions import ConfigError
from .errors import UsageError

SUFFIX = ".outbox"

PluginKind: TypeAlias = Literal["events", "sink", "source", "transform"]
"""what a new plugin does"""

Config: TypeAlias = Annotated[Path | None, Parameter(name="--config")]
"""a configuration file, given as a word or as an option"""

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Place:
    """Where to find an outbox; each field is an option."""

    config: Path | None = None
    """the daemon's configuration; lanrage.yaml in this folder by default"""
    state_folder: Path | None = None
    """the daemon's state folder, instead of the configuration"""
    plugin: str | None = None
    """the plugin that owns the outbox, if there are several"""

    def find(self) -> Path:
        """Return the outbox's file.

        :raises UsageError: if there is none, or several to choose from
        :raises ConfigError: if the configuration is wrong
        """
        folder = state_folder_of(self.config, self.state_folder)
        files = {file.name.removesuffix(SUFFIX): file for file in folder.glob(f"*{SUFFIX}")}
        if self.plugin is not None and self.plugin in files:
            return files[self.plugin]

        names = ", ".join(sorted(files)) or "none"
        if self.plugin is not None:
            raise UsageError(f"no plugin '{self.plugin}' has an outbox in {folder}, known: {names}")

        if not files:
            raise UsageError(f"there is no outbox in {folder}: nothing was ever put into one")

        if len(files) > 1:
            raise UsageError(f"there are several outboxes, choose one with --plugin: {names}")

        return next(iter(files.values()))


def seconds_of(text: str, option: str) -> float:
    """Return the seconds of a duration such as ``5m``.

    :param option: the option that has it
    :raises UsageError: if it is no duration
    """
    from pydantic import TypeAdapter, ValidationError

    from ..config import Duration

    try:
        seconds: float = TypeAdapter[float](Duration).validate_python(text)
    except ValidationError as error:
        message = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise UsageError(f"{option}: {message.removeprefix('Value error, ')}") from None

    return seconds


def state_folder_of(
    config: Path | None, folder: Path | None, *, unknown: str = "the state folder is not known"
) -> Path:
    """Return a daemon's state folder.

    :param config: the configuration that names it; None for the default one
    :param folder: the state folder itself, instead of the configuration
    :param unknown: what is said if the configuration does not name it
    :raises ConfigError: if the configuration is wrong
    """
    if folder is not None:
        return folder

    from ..config._load import find_state_folder

    try:
        return find_state_folder(config)
    except ConfigError as error:
        hint = f"{unknown}: give it with --state-folder"
        raise ConfigError([*error.problems, hint]) from None
