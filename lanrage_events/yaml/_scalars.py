from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

Scalar: TypeAlias = None | bool | int | float | str

_MAX_CHARACTERS = 1000  # Python refuses to read numbers that are much longer

# The scalars of YAML 1.2's core schema, not those of 1.1 with its surprises: "on" and "no" are
# texts and so is 10:30. What begins with a zero is a text, too: an id, or an octal number in 1.1.
_NULL = re.compile(r"(?:~|null|Null|NULL)?")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


def resolve(text: str) -> Scalar:
    """Return the value of a scalar without quotes.

    :param text: as it is written
    """
    for tag in _KINDS:
        try:
            return construct(tag, text)
        except ValueError:
            continue

    return text


def construct(kind: str, text: str) -> Scalar:
    """Return the value of a scalar that is said to be of a kind.

    :param kind: ``null``, ``bool``, ``int``, ``float`` or ``str``
    :param text: as it is written
    :raises KeyError: if there is no such kind
    :raises ValueError: if it is not of that kind
    """
    if kind == "str":
        return text

    pattern, convert = _KINDS[kind]
    if len(text) > _MAX_CHARACTERS or not pattern.fullmatch(text):
        raise ValueError(f"this is no '!!{kind}' value")

    return convert(text)


def _null(text: str) -> None:
    return None


def _bool(text: str) -> bool:
    return text.lower() == "true"


def _int(text: str) -> int:
    return int(text, base=0)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_KINDS: dict[str, tuple[re.Pattern[str], Callable[[str], Scalar]]] = {
    "null": (_NULL, _null),
    "bool": (_BOOL, _bool),
    "int": (_INT, _int),
    "float": (_FLOAT, _float),
}
