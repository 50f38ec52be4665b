from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .._hints import did_you_mean
from ..yaml import Document, KeyPath, Problem, YAMLValue, about
from ._introspection import annotation_at, keys
from ._types import format_duration, parse_duration


def problems_of(
    error: ValidationError,
    annotation: Any,
    document: Document,
    path: KeyPath = (),
    *,
    also: Iterable[str] = (),
) -> Iterator[tuple[KeyPath, Problem]]:
    """Yield what is wrong with a part of a document: the path of a value, and the problem.

    :param error: what validation raised
    :param annotation: the type that the data was validated as
    :param document: where the data came from
    :param path: where in the document the data stands
    :param also: keys at its top that are allowed, too, but not of that type
    """
    data = _at(document.data, path)
    found: dict[KeyPath, dict[str, Problem]] = {}
    for details in error.errors(include_url=False):
        where = _locate(details, data)
        known = {*keys(annotation_at(annotation, where[:-1])), *(also if len(where) == 1 else ())}
        message = _message(details, where, _at(data, where), known)
        about_key = details["type"] in _ABOUT_KEYS or isinstance(_at(data, where), dict)
        position = document.position((*path, *where), key=about_key)
        found.setdefault((*path, *where), {})[message] = Problem(position, message)

    for full, problems in found.items():
        # Several about one value are what the members of a union say: it may be either.
        message = ", or ".join(problems)
        position = next(iter(problems.values())).position
        yield full, Problem(position, about(full, message))


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


def _message(details: ErrorDetails, where: KeyPath, value: YAMLValue, known: Iterable[str]) -> str:
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
        return f"expected {_EXPECTED[kind]}, found {_kind(value)}"

    if kind in _LENGTHS:
        name, words, unit = _LENGTHS[kind]
        plural = "" if context[name] == 1 else "s"
        return f"expected {words} {context[name]} {unit}{plural}"

    if kind == "missing":
        return "required, but missing"

    if kind == "string_type":
        remedy = ": put it in quotes" if isinstance(value, (bool, int, float)) else ""
        return f"expected a text, found {_kind(value)}{remedy}"

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


def _kind(value: YAMLValue) -> str:
    """Return what a value is, but never the value: it may be a secret."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int():
            return "a number"
        case float():
            return "a number that is not whole"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "keys with values"


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
