"""A configuration as far as it can be read, with all that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .._reports import ConfigProblem
from ..yaml import KeyPath, Problem, with_path
from ._models import ConfiguredPlugin, DaemonConfig, Settings
from ._repair import Repair
from ._rules import ConfiguredRules
from ._validation import Validator


class Finding(NamedTuple):
    """One line of what is wrong with a configuration."""

    text: str
    """with its place, without secrets"""
    is_warning: bool
    """whether it runs all the same"""


class PartialPlugin(NamedTuple):
    """A plugin whose section has errors."""

    plugin: ConfiguredPlugin
    """without a configuration of its own"""
    repair: Repair | None
    """makes a configuration of what is right in the section; None if it needs none"""


@dataclass(slots=True)
class Draft:
    """A configuration file while it is checked."""

    validator: Validator
    file: Path
    """the file, as it was given"""
    is_default: bool = False
    """whether the file does not exist and this is the built-in configuration"""
    secret_files: tuple[Path, ...] = ()
    """the files whose content stands in it"""
    settings: Settings | None = None
    """the keys at the top, without those that have errors"""
    state_folder: Path | None = None
    rules: ConfiguredRules = field(default_factory=ConfiguredRules)
    """those of the settings, none if these have errors"""
    sections: tuple[str, ...] = ()
    """the names of all plugins"""
    plugins: list[ConfiguredPlugin] = field(default_factory=list)
    """those whose section has no error, in the order of the file"""
    partial: list[PartialPlugin] = field(default_factory=list)
    """the others, as far as they could be imported"""
    warnings: list[Problem] = field(default_factory=list)
    unusable_folders: set[str] = field(default_factory=set)
    """folders of templates that there is a warning about"""

    def report(self, path: KeyPath, message: str) -> None:
        """Add an error, at the position of its key."""
        self.validator.document.report(path, message, key=True)

    def warn(self, path: KeyPath, message: str, *, key: bool = True) -> None:
        """Add what is allowed, but probably a mistake.

        :param key: use the position of its key rather than of its value
        """
        position = self.validator.document.position(path, key=key)
        self.warnings.append(Problem(position, with_path(path, message)))

    def add(self, plugin: ConfiguredPlugin, problem: ConfigProblem) -> None:
        """Add what a plugin found, or what was found about it."""
        if problem.place in self.unusable_folders:
            return  # with its position already

        found = self.warnings if problem.warning else self.validator.document.problems
        found.append(plugin.problem(problem))

    @property
    def has_errors(self) -> bool:
        """Whether it cannot run."""
        return bool(self.validator.document.problems) or self.settings is None

    def findings(self) -> Iterator[Finding]:
        """Yield what was found in the order of the text, the errors and the warnings together."""
        errors, warnings = set(self.validator.document.problems), set(self.warnings)
        for problem in sorted(errors | warnings):
            for text in self.validator.format([problem]):
                yield Finding(text, problem not in errors)

    def config(self) -> DaemonConfig:
        """Return the configuration.

        :raises ConfigError: with all its errors, if it has one
        """
        if self.has_errors or self.settings is None or self.state_folder is None:
            raise self.validator.error()

        return DaemonConfig(
            self.file,
            self.settings,
            self.state_folder,
            tuple(self.plugins),
            self.rules,
            self.validator.format(self.warnings),
            is_default=self.is_default,
            secret_files=self.secret_files,
        )
