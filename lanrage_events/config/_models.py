"""The models of a configuration: its settings, and its plugins with their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from .._discovery import LoadedPlugin
from .._exceptions import PluginLoadError
from .._redaction import Redactor
from .._reports import ConfigProblem
from .._threads import named_while_slow
from ..abc import PluginOptions
from ..yaml import Document, KeyPath, Position, Problem, with_path
from ._rules import ConfiguredRules, RuleConfig
from ._types import (
    ConfigModel,
    ConfigPath,
    Duration,
    MailboxConfig,
    TemplateFolder,
    WhenFull,
    secrets_of,
)
from ._validation import value_at


class LogConfig(ConfigModel):
    """The log of the daemon, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """the least severe level that is shown"""
    format: Literal["console", "json"] = "console"
    """text for people, or one JSON object a line"""


class Settings(ConfigModel):
    """The keys at the top of a configuration file, except ``plugins``."""

    state_folder: ConfigPath | None = None
    """where the daemon keeps its outbox; default: a folder for this configuration file below the
    user's state folder"""
    backend: Literal["asyncio", "trio"] = "asyncio"
    """the library that runs the tasks"""
    drain_timeout: Duration = 10.0
    """how long the daemon delivers pending events when it stops, before it gives up"""
    watch: bool = False
    """whether the daemon reloads this file when it, a template or a file of ``plugins_folder`` changes;
    it does so on SIGHUP in any case"""
    log: LogConfig = LogConfig()
    """what the daemon logs, and how"""
    templates: tuple[TemplateFolder, ...] = ()
    """folders of templates that are searched before those of the plugins and the bundled ones;
    ``builtin:de`` is the German set, which is searched after your folders"""
    plugins_folder: ConfigPath | None = None
    """a folder of single-file plugins, ``*.py``"""
    rules: tuple[RuleConfig, ...] = ()
    """what happens to events before any plugin receives them; every event passes all rules, in
    their order"""


class CommonConfig(ConfigModel):
    """The keys in the section of every plugin."""

    use: str | None = None
    """the plugin of which this is an instance; default: the name of the section"""
    mailbox: MailboxConfig = MailboxConfig()
    """the queue of events that wait for the plugin"""
    hook_timeout: Annotated[Duration, Field(gt=0)] | None = None
    """how long one of its hooks may take before it is cancelled; the default is the plugin's"""
    start_timeout: Annotated[Duration, Field(gt=0)] | None = None
    """how long it may take to start before it counts as failed; the default is the plugin's"""


@dataclass(frozen=True, slots=True)
class ConfiguredPlugin:
    """One plugin of a configuration. Equal ones need no restart."""

    name: str
    """the name of the instance"""
    plugin: LoadedPlugin
    config: BaseModel | None
    """its own configuration, ``None`` if it has no model for one"""
    mailbox_size: int | None = None
    when_full: WhenFull | None = None
    hook_timeout: float | None = None
    """in seconds"""
    start_timeout: float | None = None
    """in seconds"""
    place: str = field(default="", compare=False)
    """its position and key for messages, as ``file:line:column: plugins.name``"""
    places: Mapping[str, str] = field(default_factory=dict, compare=False)
    """the positions of the keys and items below it, each as ``file:line:column``"""
    document: Document = field(default_factory=Document, compare=False, repr=False)
    """the file, for the positions of what the plugin finds wrong"""

    def options(self) -> PluginOptions:
        """Return the options to register it with."""
        return {
            "mailbox_size": self.mailbox_size,
            "when_full": self.when_full,
            "hook_timeout": self.hook_timeout,
            "start_timeout": self.start_timeout,
            "distribution": self.plugin.source.distribution,
            "locations": self.places,
        }

    def problem(self, found: ConfigProblem) -> Problem:
        """Return what the plugin found wrong, with its position in the file."""
        if found.place:
            return Problem(Position(file=found.place), found.message)

        path, exists = self._locate(("plugins", self.name, *found.path))
        key = found.about_key or not found.path or not exists
        position = self.document.position(path, key=key)
        return Problem(position, with_path(path, found.message))

    def _locate(self, path: KeyPath) -> tuple[KeyPath, bool]:
        """Return a path as it is in the file, and whether there is a value.

        The number of a key becomes its name, and the only one of a list may be written without one.
        """
        names: KeyPath = ()
        around: object = self.document.data
        for number, key in enumerate(path):
            if isinstance(around, dict):
                key = next(islice(around, key, None), key) if isinstance(key, int) else key
                exists = key in around
            elif isinstance(around, list):
                exists = isinstance(key, int) and key < len(around)
            else:
                is_only_one = isinstance(key, int) and around is not None
                return (names if is_only_one else (*names, *path[number:])), is_only_one

            names = (*names, key)
            if not exists:
                return (*names, *path[number + 1 :]), False

            around = value_at(self.document.data, names)

        return names, True

    def make(self) -> object:
        """Create the object to register.

        :raises PluginLoadError: if its class raises; the message shows none of its secrets
        """
        try:
            with named_while_slow(f"creating the plugin '{self.name}'"):
                return self.plugin.make(self.config)
        except PluginLoadError as error:
            redactor = Redactor()
            for secret in secrets_of(self.config):
                redactor.add(secret)

            raise PluginLoadError(self.name, redactor.redact(error.reason)) from error.__cause__


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """A configuration file that was checked."""

    file: Path
    """the file, as it was given"""
    settings: Settings
    """the keys at the top"""
    state_folder: Path
    """where the daemon keeps its state, even if the file names no folder"""
    plugins: tuple[ConfiguredPlugin, ...]
    """in the order of the file, without those that the environment excludes"""
    rules: ConfiguredRules = field(default_factory=ConfiguredRules)
    """what happens to events before any plugin receives them"""
    warnings: tuple[str, ...] = ()
    """what is allowed, but probably a mistake; each with its position"""
    is_default: bool = False
    """whether the file does not exist and this is the built-in configuration"""
    secret_files: tuple[Path, ...] = ()
    """the files whose content stands in it"""
