"""The values that an event's fields must have, as a setting."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import Discriminator, Field, GetCoreSchemaHandler, Tag, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from .._events import Event
from .._hints import did_you_mean
from .._reports import ConfigProblem
from .._rules import WILDCARD, Condition, can_have, condition, field_names, has_field, kinds_of
from ._types import ConfigModel

_VALUE_MAX_CHARACTERS = 60
_EXPRESSION = re.compile(r"^\^|^\.\*|\\[\[\](){}.*+?|^$dwsb]|\.[*+]\$$|\([^)]*\|")
"""what most likely is a regular expression"""
_Scalar: TypeAlias = str | int | float | bool
_missing: Any = object()


class Exclusion(ConfigModel):
    """Any value but these."""

    excluded: _Scalar | list[_Scalar] = Field(alias="not")
    """the value, or the values, that the field must not have"""


def _form_of(value: object) -> str:
    return "excluded" if isinstance(value, Mapping | Exclusion) else "wanted"


_SCALAR = [{"type": kind} for kind in ("string", "integer", "number", "boolean")]
_EXCLUSION = {
    "type": "object",
    "required": ["not"],
    "properties": {
        "not": {
            "description": "the value, or the values, that the field must not have",
            "anyOf": [*_SCALAR, {"type": "array", "items": {"anyOf": _SCALAR}}],
        }
    },
}
# So that an error in one form is not also one in the other.
_Wanted: TypeAlias = Annotated[
    Annotated[_Scalar | list[_Scalar], Tag("wanted")]
    | Annotated[Exclusion, Tag("excluded"), WithJsonSchema(_EXCLUSION)],
    Discriminator(_form_of),
]


class Where(dict[str, Any]):
    """The type of a field that selects events by the values of their fields.

    In YAML it is a mapping of fields to values. ``*`` in a text stands for any characters, of
    several values one is enough, ``{not: …}`` excludes them, and of a field with many values, such
    as ``players``, one is enough. An event that lacks a field does not match.

    :param wanted: by field, a value, a list of values, or a mapping ``{"not": …}`` of one of these
    """

    def __init__(self, wanted: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__(wanted)
        self._tests = [(name, condition(value)) for name, value in self.items()]

    def matches(self, event: Event) -> bool:
        """Return whether the fields of an event have the values."""
        for name, test in self._tests:
            value = getattr(event, name, _missing)
            if value is _missing or not test(value):
                return False

        return True

    def tests(self, cls: type[Event]) -> list[tuple[str, Condition]] | None:
        """Return the fields with their conditions, None if events of a class lack one of them."""
        return self._tests if all(has_field(cls, name) for name, _ in self._tests) else None

    def literals(self) -> Iterator[tuple[str, list[Any]]]:
        """Yield the fields that must have one of some values, without wildcards, and these."""
        for name, wanted in self.items():
            values = _values(wanted)
            if not any(isinstance(v, Mapping) or WILDCARD in str(v) for v in values):
                yield name, values

    def mismatch(self, event: Event) -> tuple[str, str] | None:
        """Return the field for which an event does not match, and why; None if it matches."""
        for name, test in self._tests:
            value = getattr(event, name, _missing)
            if value is _missing:
                return name, f"{event.type} has no field '{name}'"

            if not test(value):
                return name, f"{name} is {_show_value(value)}, {_describe(self[name])}"

        return None

    def can_match(self, types: Collection[type[Event]]) -> bool:
        """Return whether events of some classes can match, as far as the types of fields say."""
        return all(
            any(_is_possible(cls, name, value) for cls in types for value in _values(wanted))
            for name, wanted in self.items()
        )

    def problems(
        self, types: Collection[type[Event]], consequence: str = "no event matches"
    ) -> Iterator[ConfigProblem]:
        """Yield warnings of what no event of some classes can have, with the path below this.

        :param consequence: what follows from a field that none of them has
        """
        for name, wanted in self.items():
            having = [cls for cls in types if has_field(cls, name)]
            if not having:
                hint = did_you_mean(name, field_names(types))
                message = f"{consequence}, since none of its types has this field{hint}"
                yield ConfigProblem(message, (name,), warning=True, about_key=True)
                continue

            path: tuple[str | int, ...] = (name,)
            if isinstance(wanted, Mapping):
                path, wanted = (name, "not"), wanted["not"]
            elif wanted == []:
                message = f"the list is empty, so {consequence}"
                yield ConfigProblem(message, path, warning=True)

            kinds = kinds_of(having, name)
            for index, value in enumerate(_values(wanted)):
                if not any(can_have(cls, name, value) for cls in having):
                    inner = (index,) if isinstance(wanted, list) else ()
                    message = f"the field is {kinds and f'{kinds}, '}never {_show_wanted(value)}"
                    yield ConfigProblem(message, (*path, *inner), warning=True)
                elif isinstance(value, str) and _EXPRESSION.search(value):
                    inner = (index,) if isinstance(wanted, list) else ()
                    message = "it looks like a regular expression, but only '*' has a meaning here"
                    yield ConfigProblem(message, (*path, *inner), warning=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        plain = handler(dict[str, _Wanted])
        return core_schema.no_info_after_validator_function(cls._validated, plain)

    @classmethod
    def _validated(cls, wanted: Mapping[str, Any]) -> Where:
        return cls(
            (name, {"not": value.excluded} if isinstance(value, Exclusion) else value)
            for name, value in wanted.items()
        )


def _is_possible(cls: type[Event], name: str, value: object) -> bool:
    return has_field(cls, name) and (isinstance(value, Mapping) or can_have(cls, name, value))


def _values(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _describe(wanted: Any) -> str:
    if isinstance(wanted, Mapping):
        return "which is excluded"

    return f"not {' or '.join(map(_show_value, _values(wanted))) or 'one of none'}"


def _show_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()

    if isinstance(value, (tuple, list, set, frozenset)):
        return ", ".join(map(_show_value, value)) or "empty"

    text = str(value)
    if len(text) > _VALUE_MAX_CHARACTERS:
        text = f"{text[:_VALUE_MAX_CHARACTERS]}…"

    return f"'{text}'" if isinstance(value, str) else text


def _show_wanted(value: object) -> str:
    if isinstance(value, bool):
        return f"{str(value).lower()} (without quotes)"

    return f"'{value}'" if isinstance(value, str) else str(value)
