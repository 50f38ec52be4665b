"""The types of the fields of event classes, which JSON has to express."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

from ..._events import Event, type_adapter


def field_type_problem(cls: type[Event]) -> str | None:
    """Return why the events of a class have no JSON form, None if they have one.

    :param cls: an event class
    """
    from pydantic.errors import PydanticUserError  # slow to import

    try:
        type_adapter(cls).json_schema(mode="serialization")
    except (PydanticUserError, NameError, TypeError):
        return f"event type '{cls.type}': {_wrong_field(cls)}"

    return None


def _wrong_field(cls: type[Event]) -> str:
    from pydantic import TypeAdapter

    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        return f"{error}: import it outside of 'if TYPE_CHECKING'"

    for name in (field.name for field in fields(cls)):
        hint = hints[name]
        try:
            TypeAdapter[Any](hint).json_schema(mode="serialization")
        except Exception:  # noqa: BLE001 - pydantic raises many kinds for a type that it does not know
            found = getattr(hint, "__name__", hint)
            remedy = "use texts, numbers, bools, times, and lists or dictionaries of these"
            return f"JSON cannot express field '{name}', of the type {found}: {remedy}"

    return "JSON cannot express it"
