"""The names that the leaves of one event's templates can use, with values that can be seen."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from typing import Any

from jinja2 import Template
from jinja2.runtime import Context

from .._redaction import BLANK_LETTERS, REMOVED, has_ink
from ._cleaning import UNKNOWN
from ._list import Rest

# The last words of the names of fields that name someone or something.
_NAMING = frozenset(
    ("host", "id", "name", "nick", "nickname", "peer", "player", "user", "username")
)
_BLANKS_BEFORE = re.compile(rf"\A[\s{REMOVED}{BLANK_LETTERS}]+")


def is_name(field: str) -> bool:
    """Return whether a field is a name by its own name: if it is empty, there is one all the same."""
    return field.rpartition("_")[2] in _NAMING


class EmptyText(str):
    """An empty text that stands for something, such as a name: ``?`` if anything is around it.

    To templates it is empty, so ``{% if party_name %}`` and ``or`` mean what they mean.
    """

    __slots__ = ()


EMPTY_TEXT = EmptyText("")


class Names:
    """What the leaves of one event's templates can name.

    :param values: by name, without ``fields`` and Jinja's globals
    :param fields: the names of the values in ``fields``
    :param optional: those of them in which an empty text stands for no value
    :param globals: Jinja's
    :param rest: ends a list that is not shown whole
    """

    __slots__ = ("_fields", "_globals", "_shared", "rest", "shortened", "values")

    def __init__(
        self,
        values: dict[str, object],
        fields: Iterable[str],
        optional: Collection[str],
        globals: Mapping[str, object],
        rest: Rest,
    ) -> None:
        self.values = values
        self.rest = rest
        self.shortened: set[str] = set()
        """the paths of the leaves in which a value was shortened"""
        self._fields = fields
        self._globals = globals
        self._shared: Context | None = None
        event = values.get("event")
        changed: dict[str, object] = {}
        for name in fields:
            value = values[name]
            # Nearly every text begins with a letter that can be seen.
            if value is None or (type(value) is str and "!" <= value < "\x7f" and value[-1] > " "):
                continue

            # A field with the name "type" or "event" is known as one of the event only.
            value = getattr(event, name)
            legible = EMPTY_TEXT if value == "" and name not in optional else _legible(value)
            if legible is not value:
                changed[name] = legible

        if changed:
            own = {"type": values["type"], "event": _LegibleEvent(event, changed)}
            values.update(changed, **own)

    def all(self) -> dict[str, object]:
        event = self.values.get("event")
        fields = {name: getattr(event, name) for name in self._fields}
        return {**self._globals, **self.values, "fields": fields}

    def with_values(self, values: Mapping[str, object]) -> Names:
        """Return the same with further values, which win."""
        names = Names.__new__(Names)  # which copy() would take five times as long for
        names.values = {**self.values, **values}
        names.rest, names.shortened = self.rest, self.shortened
        names._fields, names._globals, names._shared = self._fields, self._globals, None
        return names

    def context(self, template: Template, additional: Mapping[str, object]) -> Context:
        """Return Jinja's context, which leaves share until one sets a variable.

        :param additional: names that only this leaf can use
        """
        if additional:
            return template.new_context({**self.all(), **additional}, shared=True)

        if self._shared is None or self._shared.vars:
            self._shared = template.new_context(self.all(), shared=True)

        return self._shared


class _LegibleEvent:
    """An event with other values in some of its fields."""

    __slots__ = ("_event", "_values")

    def __init__(self, event: object, values: Mapping[str, object]) -> None:
        self._event = event
        self._values = values

    def __getattr__(self, name: str) -> Any:
        return self._values[name] if name in self._values else getattr(self._event, name)

    def __str__(self) -> str:
        return str(self._event)


def _legible(value: object) -> object:
    """Return a value in which texts without ink are question marks, and those in a list if empty."""
    if isinstance(value, str):
        if value and not has_ink(value):
            return UNKNOWN

        return _without_blanks(value)

    if isinstance(value, (tuple, list, set, frozenset)):
        return value if _are_legible(value) else [_legible_item(item) for item in value]

    if isinstance(value, Mapping) and not (_are_legible(value) and _are_legible(value.values())):
        return {_legible_item(key): _legible_item(item) for key, item in value.items()}

    return _legible_object(value) if is_dataclass(value) and not isinstance(value, type) else value


def _legible_object(value: Any) -> object:
    """Return an object that an event has, such as a party, with legible values in its fields."""
    changed: dict[str, object] = {}
    for name in (field.name for field in fields(value)):
        part = getattr(value, name)
        legible = UNKNOWN if part == "" and is_name(name) else _legible(part)
        if legible is not part:
            changed[name] = legible

    if changed:
        value = copy(value)
        for name, legible in changed.items():
            object.__setattr__(value, name, legible)  # it may be frozen

    return value


def _without_blanks(text: str) -> str:
    """Return a text of one line without blanks around it, which would end a template's markup."""
    if "\n" in text or (text[:1].isalnum() and not text[-1:].isspace()):
        return text

    return _BLANKS_BEFORE.sub("", text).rstrip()


def _are_legible(items: Iterable[object]) -> bool:
    for item in items:
        if type(item) is str and "!" <= item < "\x7f" and item[-1] > " ":
            continue

        if _legible_item(item) is not item:
            return False

    return True


def _legible_item(item: object) -> object:
    return _legible(item) if not isinstance(item, str) or has_ink(item) else UNKNOWN
