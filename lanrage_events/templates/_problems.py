"""The problems of templates, each of which is reported once."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass

from jinja2 import TemplateSyntaxError, UndefinedError

from .._exceptions import TemplateError
from .._hints import did_you_mean
from .._redaction import error_text
from ._cleaning import clean
from ._clusters import ELLIPSIS
from ._leaf import CompiledLeaf, LeafWarning
from ._names import Names

logger = logging.getLogger("lanrage_events.templates")

_LACKING = re.compile(r"'[^']* object' has no attribute '(\w+)'")
"""Jinja's text about a value that has no such attribute"""
_MESSAGE_MAX_CHARACTERS = 200


class Problems:
    """Reports what is wrong with templates, each problem once.

    :param report: called with each problem; by default it is logged
    """

    def __init__(self, report: Callable[[TemplateError], object] | None) -> None:
        self._on_problem = report or _log
        self._reported: set[tuple[object, ...]] = set()
        self.reported: tuple[TemplateError, ...] = ()
        """what was reported since the templates were read"""

    def forget(self) -> None:
        """Report everything again that is still wrong."""
        self._reported.clear()
        self.reported = ()

    def add(self, problem: TemplateError, key: tuple[object, ...] | None = None) -> None:
        """Report a problem.

        :param key: what it has in common with those that are the same; by default the text
        """
        key = key or (str(problem),)
        if key not in self._reported:
            self._reported.add(key)
            self.reported = (*self.reported, problem)
            self._on_problem(problem)

    def add_error(self, leaf: CompiledLeaf, error: Exception, names: Names | None = None) -> None:
        """Report an error of a leaf.

        :param names: what the leaf can name, when it is rendered
        """
        line = leaf.line_of(error)
        # Without the message: it may contain an event's values and so differ each time.
        key = (leaf.file, leaf.path, line, type(error))
        if key not in self._reported:
            message = _format_error(error, names.all() if names is not None else {})
            is_warning = isinstance(error, LeafWarning)
            self.add(_problem(leaf, line, message, is_warning=is_warning), key)

    def add_unknown_names(self, leaf: CompiledLeaf, known: Collection[str]) -> None:
        """Report the names in a leaf that do not exist, as rendering it would.

        :param known: what the leaf can name besides the names of its own
        """
        known = {*known, *leaf.leaf.context, *leaf.variables}
        for name, line in leaf.names.items():
            key = (leaf.file, leaf.path, line, UndefinedError)
            if name not in known and key not in self._reported:
                message = f"'{clean(name)}' is undefined{did_you_mean(name, known)}"
                self.add(_problem(leaf, line, _shorten(message), is_warning=False), key)

    def add_warning(self, leaf: CompiledLeaf, value: object) -> None:
        """Report that a value of a leaf is most likely a mistake, if it is."""
        message = leaf.leaf.warn(value) if leaf.leaf.warn is not None else ""
        key = (leaf.file, leaf.path, leaf.line, "warn")
        if message and key not in self._reported:
            problem = _problem(leaf, leaf.line, _shorten(clean(message)), is_warning=True)
            self.add(problem, key)

    def add_meaningless(self, leaf: CompiledLeaf) -> None:
        """Report the filters of a leaf that mean nothing in it."""
        for name, line in leaf.meaningless.items():
            message = _shorten(f"'{name}' means nothing here: {leaf.leaf.meaningless[name]}")
            self.add(_problem(leaf, line, message, is_warning=True))

    def add_unsteady(self, leaf: CompiledLeaf) -> None:
        """Report that a leaf changes without an event, if it does."""
        if leaf.unsteady is not None:
            cause, line = leaf.unsteady
            message = (
                f"'{cause}' changes the text without an event: show what the event says instead"
            )
            key = (leaf.file, leaf.path, line, "unsteady")
            self.add(_problem(leaf, line, message, is_warning=True), key)


def _problem(leaf: CompiledLeaf, line: int, message: str, *, is_warning: bool) -> TemplateError:
    return TemplateError(
        leaf.file, message, leaf=leaf.path, line=line, column=leaf.column, is_warning=is_warning
    )


def _log(problem: TemplateError) -> None:
    level = logging.WARNING if problem.is_warning else logging.ERROR
    logger.log(level, "template %s", problem)


def _format_error(error: Exception, names: Mapping[str, object]) -> str:
    message = clean(error_text(error)) or type(error).__name__
    if isinstance(error, UndefinedError) and (lacking := _LACKING.fullmatch(message)):
        known = {name for value in names.values() for name in _attributes(value)}
        message = f"'{lacking[1]}' is undefined{did_you_mean(lacking[1], known)}"
    elif isinstance(error, UndefinedError):
        name = message.partition("' is undefined")[0].removeprefix("'")
        message += did_you_mean(name, names)
    elif not isinstance(error, (TemplateSyntaxError, ValueError)):
        message = f"{type(error).__name__}: {message}"

    return _shorten(message)


def _attributes(value: object) -> Iterable[str]:
    """Return what templates can name of a value, besides its methods."""
    if is_dataclass(value):
        return [field.name for field in fields(value)]

    return map(str, value) if isinstance(value, Mapping) else ()


def _shorten(message: str) -> str:
    if len(message) > _MESSAGE_MAX_CHARACTERS:
        message = message[: _MESSAGE_MAX_CHARACTERS - 1] + ELLIPSIS

    return message
