"""The scalars of YAML 1.2: which texts are numbers, booleans or null."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

Scalar: TypeAlias = None | bool | int | float | str

_MAX_CHARACTERS = 1000  # Python does not convert numbers that are much longer

# The core schema of YAML 1.2, without the surprises of 1.1: "on", "no" and 10:30 are texts. So is
# what begins with a zero: an id, or an octal number in 1.1.
_KINDS: dict[str, tuple[re.Pattern[str], Callable[[str], Scalar]]] = {
    "null": (re.compile(r"(?:~|null|Null|NULL)?"), lambda text: None),
    "bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    "int": (
        re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+"),
        lambda text: int(text, base=0),
    ),
    "float": (
        re.compile(
            r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
    ),
}


def resolve(text: str) -> Scalar:
    """Return the value of a scalar without quotes."""
    for tag in _KINDS:
        try:
            return construct(tag, text)
        except ValueError:
            continue

    return text


def construct(kind: str, text: str) -> Scalar:
    """Return the value of a scalar that is tagged as one of a kind.

    :param kind: ``null``, ``bool``, ``int``, ``float`` or ``str``
    :raises KeyError: if it is another kind
    :raises ValueError: if the text is not of that kind
    """
    if kind == "str":
        return text

    pattern, convert = _KINDS[kind]
    if len(text) > _MAX_CHARACTERS or not pattern.fullmatch(text):
        raise ValueError(f"this is not a valid '!!{kind}' value")

    return convert(text)
