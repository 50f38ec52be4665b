"""The registry of event types: events from JSON, and their JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .._events import (
    BUILT_IN_EVENTS,
    Event,
    PartyEvent,
    check_event_class,
    type_adapter,
    type_names,
)
from .._exceptions import EventDecodeError, EventTypeConflict, FieldProblem, UnknownEventType
from .._hints import did_you_mean
from .._redaction import error_text
from .._surrogates import lone_surrogate
from .._times import in_utc
from ._field_times import wrong_times
from ._ids import SCHEMA as ID_SCHEMA
from ._ids import wrong_id
from ._unknown_fields import UNKNOWN_FIELD, unknown_places, without

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_MAX_LISTED = 10_000
_RESERVED_FIELDS = frozenset({"type", "to_dict", "to_json"})


@dataclass(frozen=True, slots=True)
class _Registration:
    cls: type[Event]
    distribution: str | None


class EventRegistry:
    """The event types that a bus knows by name: events from JSON, and their JSON Schema.

    :param reserved: names that no event type may have, because other hooks have them
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._reserved = frozenset(reserved)
        self._types: dict[str, _Registration] = {}
        self.absent_plugins: tuple[str, ...] = ()
        """plugins that could not be loaded, whose event types are therefore not known"""
        for cls in BUILT_IN_EVENTS:
            self.register(cls, distribution="lanrage-events")

    def register(self, cls: type[Event], distribution: str | None = None) -> None:
        """Add an event class; adding it again does nothing.

        :param distribution: the distribution that defines it, for error messages
        :raises EventTypeConflict: if its type is taken, or is the name of another hook
        :raises TypeError: if it is not an event class
        """
        check_event_class(cls)
        name, module = cls.type, cls.__module__
        whose = f"{distribution or 'an unnamed plugin'} ({module}.{cls.__qualname__})"
        taken = {f.name for f in fields(cls)} & _RESERVED_FIELDS
        if taken:
            raise EventTypeConflict(
                f"event type {name!r} of {whose} has a field named {min(taken)!r}, which every "
                "event has for another purpose: rename the field"
            )

        if name in self._reserved or name in _BASE_TYPES:
            raise EventTypeConflict(
                f"event type {name!r} of {whose} would take the name of the hook {name!r}: "
                "rename the class"
            )

        known = self._types.get(name)
        if known is None:
            self._types[name] = _Registration(cls, distribution)
        elif known.cls is not cls:
            raise EventTypeConflict(
                f"event type {name!r} is defined twice: by {known.distribution or 'an unnamed plugin'} "
                f"({known.cls.__module__}.{known.cls.__qualname__}) and by {whose}: "
                "uninstall one of them or rename the class"
            )

    def unregister(self, cls: type[Event]) -> None:
        """Remove an event class; if it is not registered, nothing happens."""
        known = self._types.get(cls.type)
        if known is not None and known.cls is cls:
            del self._types[cls.type]

    def types(self) -> tuple[type[Event], ...]:
        """Return the registered classes, the built-in ones first."""
        return tuple(registration.cls for registration in self._types.values())

    def names(self) -> tuple[str, ...]:
        """Return the event types and the types of the base classes that they derive from."""
        return tuple(dict.fromkeys(name for cls in self.types() for name in type_names(cls)))

    def get(self, event_type: str) -> type[Event]:
        """Return the class of an event type.

        :raises UnknownEventType: if there is none, with the nearest known one
        """
        try:
            return self._types[event_type].cls
        except KeyError:
            raise UnknownEventType(event_type, self._types) from None

    def distribution(self, event_type: str) -> str | None:
        """Return the name of the distribution that defines an event type, if it is known.

        :raises UnknownEventType: if the type is unknown
        """
        self.get(event_type)
        return self._types[event_type].distribution

    def from_json(self, text: str | bytes) -> Event:
        """Create an event from its JSON form.

        :raises EventDecodeError: if it is not JSON or not an event, naming each wrong field
        :raises UnknownEventType: if its ``type`` is not registered
        """
        try:
            if not isinstance(text, str):
                text = text.decode(json.detect_encoding(text))

            data = _decode_json(text)
        except (ValueError, RecursionError) as error:
            raise EventDecodeError(None, [FieldProblem("", f"not valid JSON: {error}")]) from None

        return self.from_dict(data)

    def from_dict(
        self,
        data: Mapping[str, Any],
        *,
        max_problems: int = 100,
        on_unknown: Callable[[FieldProblem], object] | None = None,
    ) -> Event:
        """Create an event from the dictionary form of its JSON.

        :param data: such as :meth:`~lanrage_events.Event.to_dict` returns
        :param max_problems: how many wrong fields to name, at least 1; the rest is only counted,
            since to find out what was meant is slow
        :param on_unknown: called for each field that the event type does not have, if the event is
            valid without them, as one of a newer sender may be; by default they are wrong
        :raises EventDecodeError: if it is not an event, naming each wrong field
        :raises UnknownEventType: if its ``type`` is not registered
        """
        if not isinstance(data, Mapping):
            problem = FieldProblem("", f"a JSON object was expected, not {_json_kind(data)}")
            raise EventDecodeError(None, [problem])

        event_type = data.get("type")
        if not isinstance(event_type, str):
            problem = "required" if event_type is None else "a string was expected"
            raise EventDecodeError(None, [FieldProblem("type", problem)])

        cls = self.get(event_type)
        content = {key: value for key, value in data.items() if key != "type"}
        return _decode(cls, content, max_problems, on_unknown)

    def json_schema(self, event_type: str) -> dict[str, Any]:
        """Return the JSON Schema of an event type.

        :raises UnknownEventType: if the type is unknown
        """
        cls = self.get(event_type)
        schema = type_adapter(cls).json_schema()
        properties = {"type": {"const": event_type, "type": "string"}, **schema["properties"]}
        properties["id"] = {**properties["id"], **ID_SCHEMA}
        for option in properties["parent_id"].get("anyOf", ()):
            if option.get("type") == "string":
                option.update(ID_SCHEMA)

        return {
            **schema,
            "properties": properties,
            "required": ["type", *schema.get("required", ())],
            "description": (cls.__doc__ or "").strip(),
        }


_BASE_TYPES = frozenset({Event.type, PartyEvent.type})


def _decode(
    cls: type[Event],
    data: dict[str, Any],
    max_problems: int,
    on_unknown: Callable[[FieldProblem], object] | None,
) -> Event:
    dropped: list[FieldProblem] = []
    id_problems = wrong_id(data)
    try:
        event = _validate(cls, data)
    except Exception as error:  # noqa: BLE001 - a class may compute from values, and raise anything
        places = [] if on_unknown is None else unknown_places(error)
        known = without(data, places) if places else None
        found = _decode_problems(cls, data, error, max_problems - len(id_problems))
        problems = [*id_problems, *found]
        if known is None or id_problems:
            raise EventDecodeError(cls.type, problems) from None

        try:
            event = _validate(cls, known)
        except Exception:  # noqa: BLE001 - as above; the first error has all problems
            raise EventDecodeError(cls.type, problems) from None

        dropped = problems

    problems = id_problems
    if event.time.tzinfo is None:
        message = "the offset from UTC is missing, such as 2026-01-31T20:15:00Z"
        problems.append(FieldProblem("time", message))
    else:
        problems += wrong_times(event)

    if problems:
        raise EventDecodeError(cls.type, problems[:max_problems])

    if on_unknown is not None:
        for problem in dropped:
            on_unknown(problem)

    return event.replace(time=in_utc(event.time)) if event.time.tzinfo != UTC else event


def _validate(cls: type[Event], data: Mapping[str, Any]) -> Event:
    # JSON mode is strict about types but accepts lists for tuples and text for times.
    event: Event = type_adapter(cls).validate_json(_encode(data), strict=True)
    return event


def _decode_problems(
    cls: type[Event], data: Mapping[str, Any], error: Exception, max_problems: int
) -> list[FieldProblem]:
    from pydantic import ValidationError

    # To pydantic, JSON that holds one is not JSON.
    if (found := lone_surrogate(data)) is not None:
        return [FieldProblem(*found)]

    if isinstance(error, ValidationError):
        return field_problems(cls, error, max_problems)

    if isinstance(error, (TypeError, ValueError, RecursionError)):
        return [FieldProblem("", f"cannot be written as JSON: {error}")]

    return [FieldProblem("", f"cannot be created: {type(error).__name__}: {error_text(error)}")]


def _encode_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()

    raise TypeError(f"{type(value).__name__} is not a JSON value")


_encode = json.JSONEncoder(default=_encode_value).encode


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


_decode_json = json.JSONDecoder(parse_constant=_reject_constant).decode


def field_problems(
    cls: type[Event], error: ValidationError, max_problems: int = 100
) -> list[FieldProblem]:
    """Describe what pydantic found wrong with the fields of an event.

    :param max_problems: how many to describe; the rest is only counted
    """
    count = error.error_count()
    if count > _MAX_LISTED:
        # Pydantic can only list all of them, which takes seconds for a long list of wrong items.
        return [FieldProblem("", f"{count:,} values are wrong")]

    names = [f.name for f in fields(cls)]
    details = error.errors(include_url=False, include_input=False)
    problems = [_field_problem(item, names) for item in details[:max_problems]]
    if count > max_problems:
        problems.append(FieldProblem("", f"{count - max_problems:,} more are not shown"))

    return problems


def _field_problem(details: ErrorDetails, names: list[str]) -> FieldProblem:
    path = ".".join(str(part) for part in details["loc"])
    message = details["msg"]
    match details["type"]:
        case "missing":
            message = "required"
        case kind if kind in UNKNOWN_FIELD:
            hint = ""
            if len(details["loc"]) == 1:
                hint = did_you_mean(path, names) or f", known are {', '.join(names)}"

            message = f"unknown field{hint}"
        case _:
            message = message[0].lower() + message[1:]

    return FieldProblem(path, message)


def _json_kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an array"
