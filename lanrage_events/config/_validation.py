"""Validates parts of YAML documents, and explains in words what pydantic finds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .._exceptions import ConfigError
from .._hints import did_you_mean
from .._redaction import Redactor
from ..yaml import Document, KeyPath, Problem, YAMLValue, kind_of
from ._introspection import annotation_at, keys, models, secret_texts
from ._types import FOLDER, format_duration, parse_duration

Model = TypeVar("Model", bound=BaseModel)


def validate(document: Document, model: type[Model]) -> Model:
    """Return a model of a YAML file, such as one that a plugin has besides the configuration.

    Durations and paths in it are written as in a configuration file, without its ``${NAME}``. Keys
    that the model does not have are rejected, unless its author wants them. An empty file has no keys.

    :param document: the file, from :func:`lanrage_events.yaml.read`
    :param model: such as a :class:`ConfigModel`
    :raises ConfigError: if anything is wrong with the file or its values, with all that is, each as
        ``file:line:column: key: …``
    """
    redactor = Redactor()
    result = None
    if document.data is not None or not document.problems:
        data = {} if document.data is None else document.data
        result = validate_part(document, model, data, redactor=redactor)

    if result is None or document.problems:
        raise ConfigError(format_problems(document.problems, redactor))

    return result


def validate_part(
    document: Document,
    model: type[Model],
    data: object,
    path: KeyPath = (),
    *,
    also: Iterable[str] = (),
    redactor: Redactor,
    parts: Mapping[KeyPath, Sequence[str]] = MappingProxyType({}),
) -> Model | None:
    """Return the model of a part of a document, ``None`` after reporting what is wrong with it.

    :param document: gets the problems
    :param data: what to validate: the part, or some of its keys
    :param path: where in the document it stands
    :param also: keys at its top that are allowed, too, but not of that model
    :param redactor: learns the secrets in it
    :param parts: for each value, what was put into it
    """
    for where, text in secret_texts(model, data, path):
        for secret in (text, *parts.get(where, ())):
            redactor.add(secret)

    # Unknown keys are rejected unless the author of a model wants them.
    wanted = any(inner.model_config.get("extra", "forbid") != "forbid" for inner in models(model))
    extra: Literal["forbid"] | None = None if wanted else "forbid"
    try:
        return model.model_validate(data, extra=extra, context={FOLDER: document.folder})
    except ValidationError as error:
        _report(error, model, document, path, also)
    except Exception as error:  # noqa: BLE001 - what a plugin's validator raises
        document.report(path, f"cannot be checked: {type(error).__name__}: {error}", key=True)

    return None


def format_problems(problems: Iterable[Problem], redactor: Redactor) -> tuple[str, ...]:
    """Return problems in the order of the text, each in one line.

    :param redactor: knows the values that must not be shown
    """
    return tuple(
        str(Problem(problem.position, " ".join(redactor.redact(problem.message).splitlines())))
        for problem in sorted(set(problems))
    )


def _report(
    error: ValidationError, annotation: Any, document: Document, path: KeyPath, also: Iterable[str]
) -> None:
    data = _at(document.data, path)
    found: dict[KeyPath, dict[str, bool]] = {}
    for details in error.errors(include_url=False):
        where = _locate(details, data)
        value = _at(data, where)
        known = {*keys(annotation_at(annotation, where[:-1])), *(also if len(where) == 1 else ())}
        message = _format_error(details, where, value, known)
        if value is None and document.text((*path, *where)).comment:
            message += " (what follows '#' is a comment: if it is text, put it in quotes)"

        is_about_key = details["type"] in _ABOUT_KEYS or isinstance(value, dict)
        found.setdefault((*path, *where), {})[message] = is_about_key

    for full, messages in found.items():
        if not document.has_failed(full):
            # Several about one value are what the members of a union say: it may be either.
            document.report(full, ", or ".join(messages), key=next(iter(messages.values())))


def _locate(details: ErrorDetails, data: YAMLValue) -> KeyPath:
    """Return the path of the value that an error is about.

    pydantic's own also tells through which member of a union it came.
    """
    path: KeyPath = ()
    location = details["loc"]
    for index, part in enumerate(location):
        if _has(data, part):
            data = _at(data, (part,))
            path = (*path, part)
        elif details["type"] == "missing" and index == len(location) - 1:
            path = (*path, part)

    return path


def _has(data: YAMLValue, part: str | int) -> bool:
    if isinstance(data, dict):
        return part in data

    return isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data)


def _at(data: YAMLValue, path: KeyPath) -> YAMLValue:
    for part in path:
        if isinstance(data, dict):
            data = data.get(str(part))
        elif isinstance(data, list) and _has(data, part):
            data = data[int(part)]
        else:
            return None

    return data


def _format_error(
    details: ErrorDetails, where: KeyPath, value: YAMLValue, known: Iterable[str]
) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        key = str(where[-1])
        # Of a union, another member may know it.
        return "not allowed here" if key in known else f"unknown key{did_you_mean(key, known)}"

    if kind in ("literal_error", "enum"):
        expected = str(context["expected"])
        names = expected.replace(" or ", ", ").replace("'", "").split(", ")
        return f"expected {expected}{did_you_mean(str(value), names)}"

    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"must be {words} {_bound(context[name], value)}"

    if kind in ("value_error", "assertion_error"):
        return str(context["error"]) or "this value is not allowed"

    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, found {kind_of(value)}"

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


def _bound(bound: object, value: YAMLValue) -> str:
    if isinstance(value, str) and isinstance(bound, (int, float)):
        try:
            parse_duration(value)
        except ValueError:
            pass
        else:
            return format_duration(bound)

    return f"{bound:g}" if isinstance(bound, float) else str(bound)


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

_EXPECTED = {
    kind: expected
    for expected, kinds in {
        "true or false": ("bool_parsing", "bool_type"),
        "a whole number": ("int_from_float", "int_parsing", "int_parsing_size", "int_type"),
        "a number": ("decimal_parsing", "decimal_type", "float_parsing", "float_type"),
        "a list": (
            "frozen_set_type",
            "iterable_type",
            "list_type",
            "sequence_type",
            "set_type",
            "tuple_type",
        ),
        "keys with values": (
            "dataclass_type",
            "dict_type",
            "mapping_type",
            "model_attributes_type",
            "model_type",
        ),
        "a path": ("path_type",),
    }.items()
    for kind in kinds
}
