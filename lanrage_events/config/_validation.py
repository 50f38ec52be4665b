"""The validation of YAML documents with pydantic, and its errors in plain words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .._exceptions import ConfigError, format_error
from .._exit import is_interrupt
from .._hints import did_you_mean
from .._redaction import Redactor
from ..yaml import Document, KeyPath, Position, Problem, YAMLValue, kind_of
from ._introspection import annotation_at, keys, misplaced_booleans, models, secret_texts
from ._types import FOLDER, format_duration, parse_duration, secrets_of

Model = TypeVar("Model", bound=BaseModel)

_MOST_KEYS = 12
"""known keys that a message lists"""
_MAX_PROBLEMS = 500  # each is a line of the log
_MAX_CHARACTERS = 2000  # of one line


def validate(document: Document, model: type[Model]) -> Model:
    """Return a model of a YAML file, such as one that a plugin has besides the configuration.

    Durations and paths are written as in a configuration file, without ``${NAME}``. Unknown keys
    are rejected, unless the model allows them. An empty file has no keys.

    :param document: the file, from :func:`lanrage_events.yaml.read`
    :param model: such as a :class:`ConfigModel`
    :raises ConfigError: with everything that is wrong, each as ``file:line:column: key: …``
    """
    validator = Validator(document, Redactor())
    result = None
    if document.data is not None or not document.problems:
        data = {} if document.data is None else document.data
        result = validator.validate(model, data)

    if result is None or document.problems:
        raise validator.error()

    return result


@dataclass(frozen=True, slots=True)
class Validator:
    """Validates the parts of a document, and adds what is wrong to its problems."""

    document: Document
    redactor: Redactor
    """learns the secrets of the document"""
    parts: Mapping[KeyPath, Sequence[str]] = field(default_factory=dict)
    """the values that were inserted, by the path of the text"""

    def validate(
        self, model: type[Model], data: object, path: KeyPath = (), also: Collection[str] = ()
    ) -> Model | None:
        """Return the model of a part, ``None`` after reporting what is wrong with it.

        :param data: the part, or some of its keys
        :param path: where in the document it stands
        :param also: keys at its top that are allowed, too, but not of that model
        """
        for where, text in secret_texts(model, data, path):
            for secret in (text, *self.parts.get(where, ())):
                self.redactor.add(secret)

        try:
            return self.make(model, data)
        except ValidationError as error:
            self._report(error, model, path, also)
        except BaseException as error:  # what a plugin's validator raises
            if is_interrupt(error):
                raise

            message = f"cannot be checked: {format_error(error)}"
            self.document.report(path, message, key=True)

        return None

    def make(self, model: type[Model], data: object) -> Model:
        """Return the model of data, without reporting what is wrong with it.

        :raises ValidationError: if something is wrong; a plugin's validators may raise anything
        """
        # Unknown keys are rejected unless one of the models allows them.
        configs = [inner.model_config for inner in models(model)]
        wanted = any(config.get("extra", "forbid") != "forbid" for config in configs)
        extra: Literal["forbid"] | None = None if wanted else "forbid"
        data = _reject_booleans(data, frozenset(misplaced_booleans(model, data)))
        made = model.model_validate(data, extra=extra, context={FOLDER: self.document.folder})
        # Also those that are defaults, or that a validator made of what is written.
        for secret in secrets_of(made):
            self.redactor.add(secret)

        return made

    def _report(
        self, error: ValidationError, annotation: Any, path: KeyPath, also: Collection[str]
    ) -> None:
        data = value_at(self.document.data, path)
        found: dict[KeyPath, dict[str, bool]] = {}
        too_few: set[KeyPath] = set()
        for details in error.errors(include_url=False):
            where = locate(details, data)
            full = (*path, *where)
            value = value_at(data, where)
            known = [*keys(annotation_at(annotation, where[:-1])), *(() if where[1:] else also)]
            elsewhere = _elsewhere(annotation, where, also)
            message = _format_error(details, where, value, known, elsewhere)
            if details["type"] in _NO_KEYS:
                message += _list(": its keys are", keys(annotation_at(annotation, where)))
            elif details["type"] == "too_short":
                too_few.add(full)

            if isinstance(value, str) and (name := _SHELL_VARIABLE.fullmatch(value)):
                message += f" (a variable is written ${{{name[1]}}})"

            if value is None and self.document.text(full).comment:
                message += " (what follows '#' is a comment: if it is text, put it in quotes)"

            is_about_key = details["type"] in _ABOUT_KEYS or isinstance(value, dict)
            found.setdefault(full, {})[message] = is_about_key

        for full, messages in found.items():
            is_about_count = full in too_few and len(messages) == 1
            if is_about_count and any(
                full == other[: len(full)] for other in found.keys() - {full}
            ):
                continue  # an item that is wrong does not count, and is reported

            if not self.document.has_failed(full):
                # Several messages about one value come from the members of a union.
                key = next(iter(messages.values()))
                self.document.report(full, ", or ".join(messages), key=key)

    def error(self) -> ConfigError:
        """Return the error that has the problems of the document, the first 500 if there are more."""
        problems = self.format(self.document.problems)
        more = len(problems) - _MAX_PROBLEMS
        if more <= 0:
            return ConfigError(problems)

        rest = f"{Position(file=self.document.name)}: and {more:,} more problems"
        return ConfigError([*problems[:_MAX_PROBLEMS], rest])

    def format(self, problems: Iterable[Problem]) -> tuple[str, ...]:
        """Return problems in the order of the text, each in one line and without secrets."""
        ordered = sorted(set(problems))
        messages = [_one_line(self.redactor.redact(problem.message)) for problem in ordered]
        return tuple(str(Problem(p.position, m)) for p, m in zip(ordered, messages, strict=True))


def _reject_booleans(data: Any, paths: frozenset[KeyPath], path: KeyPath = ()) -> Any:
    """Replace the booleans at paths by what is no number for pydantic either."""
    if not paths:
        return data

    if path in paths:
        return _NotANumber()

    if isinstance(data, dict):
        return {key: _reject_booleans(value, paths, (*path, key)) for key, value in data.items()}

    if isinstance(data, list):
        return [_reject_booleans(value, paths, (*path, i)) for i, value in enumerate(data)]

    return data


class _NotANumber:
    """Stands for a boolean where a number belongs."""


def _one_line(text: str) -> str:
    line = " ".join(text.splitlines())
    return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}…"


def locate(details: ErrorDetails, data: YAMLValue) -> KeyPath:
    """Return the path of the value that an error is about.

    pydantic's location also contains the member of a union.
    """
    path: KeyPath = ()
    location = details["loc"]
    for index, part in enumerate(location):
        if _has(data, part):
            data = value_at(data, (part,))
            path = (*path, part)
        elif details["type"] == "missing" and index == len(location) - 1:
            path = (*path, part)

    return path


def _has(data: YAMLValue, part: str | int) -> bool:
    if isinstance(data, dict):
        return part in data

    return isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data)


def value_at(data: YAMLValue, path: KeyPath) -> YAMLValue:
    for part in path:
        if isinstance(data, dict):
            data = data.get(str(part))
        elif isinstance(data, list) and _has(data, part):
            data = data[int(part)]
        else:
            return None

    return data


def _elsewhere(annotation: Any, where: KeyPath, also: Collection[str]) -> str:
    """Return where a key belongs that another level has, empty if none has it."""
    key, parent = where[-1] if where else "", where[:-1]
    inside = keys(annotation_at(annotation, parent))
    for name, kind in inside.items():
        if key in keys(kind):
            return f": it belongs below '{name}'"

    for name in inside:
        path = (*parent, name)
        if any(key in keys(annotation_at(annotation, (*path, item))) for item in ("", 0)):
            return f": it belongs into each item of '{name}'"

    while parent:
        above, parent = parent[-1], parent[:-1]
        outside = {*keys(annotation_at(annotation, parent)), *(() if parent else also)}
        if key in outside:
            return f": it belongs beside '{above}'"

    return ""


def _format_error(
    details: ErrorDetails, where: KeyPath, value: YAMLValue, known: Collection[str], elsewhere: str
) -> str:
    """Return what is wrong in plain words.

    :param known: the keys that stand beside it
    :param elsewhere: where else the key belongs
    """
    kind, context = details["type"], details.get("ctx", {})
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        key = str(where[-1])
        # Another member of a union may have it.
        if key in known:
            return "not allowed here"

        hint = elsewhere or did_you_mean(key, known) or _list(", known are", known)
        return f"unknown key{hint}"

    if kind in ("literal_error", "enum"):
        expected = str(context["expected"])
        names = expected.replace(" or ", ", ").replace("'", "").split(", ")
        return f"expected {expected}{did_you_mean(str(value), names)}"

    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"must be {words} {_bound(context[name], value)}"

    if kind in ("value_error", "assertion_error"):
        return str(context["error"]) or "this value is not allowed"

    expected_kind = _EXPECTED.get(kind.partition("_")[0])
    if expected_kind and kind.endswith(_WRONG_KIND):
        is_one = expected_kind == "a list" and isinstance(value, dict) and value
        remedy = ": begin each with '- '" if is_one else ""
        return f"expected {expected_kind}, found {kind_of(value)}{remedy}"

    if kind in _LENGTHS:
        name, words, unit = _LENGTHS[kind]
        plural = "" if context[name] == 1 else "s"
        return f"expected {words} {context[name]} {unit}{plural}"

    if kind == "missing":
        return "required, but missing"

    if kind == "string_type":
        remedy = ": put it in quotes" if isinstance(value, (bool, int, float)) else ""
        return f"expected a text, found {kind_of(value)}{remedy}"

    message = details["msg"].replace("Input should be", "expected")
    return message[:1].lower() + message[1:]


def _list(what: str, names: Iterable[str]) -> str:
    """Return a few names as a part of a sentence, nothing if there are none or many."""
    known = sorted(names)
    if not 0 < len(known) <= _MOST_KEYS:
        return ""

    *others, last = known
    return (
        f"{what} {', '.join(others)} and {last}"
        if others
        else f"{what.replace('are', 'is')} {last}"
    )


def _bound(bound: object, value: YAMLValue) -> str:
    if isinstance(value, str) and isinstance(bound, (int, float)):
        try:
            parse_duration(value)
        except ValueError:
            pass
        else:
            return format_duration(bound)

    return f"{bound:g}" if isinstance(bound, float) else str(bound)


_NO_KEYS = ("dict_type", "mapping_type", "model_type", "dataclass_type", "model_attributes_type")
_SHELL_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_ABOUT_KEYS = ("extra_forbidden", "unexpected_keyword_argument", "missing")

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}

_LENGTHS = {
    "string_too_short": ("min_length", "at least", "character"),
    "string_too_long": ("max_length", "at most", "character"),
    "too_short": ("min_length", "at least", "item"),
    "too_long": ("max_length", "at most", "item"),
}

# By the first word of pydantic's name of the error, such as int_parsing.
_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "path": "a path",
    **dict.fromkeys(("decimal", "float"), "a number"),
    **dict.fromkeys(("frozen", "iterable", "list", "sequence", "set", "tuple"), "a list"),
    **dict.fromkeys(("dataclass", "dict", "mapping", "model"), "keys with values"),
}
_WRONG_KIND = ("_type", "_parsing", "_parsing_size", "_from_float")
